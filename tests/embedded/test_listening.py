"""`make run` prints a working address and accepts usual PUBLIC_URLs."""

import re
from urllib.parse import urlsplit

import httpx
import pytest

from tests.embedded.conftest import MakeRun
from tests.support.api import session_cookie, signed_in
from tests.support.chat_client import Account, sign_up
from tests.support.plain_socket import PlainSocket

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(600)]


async def signs_in_as_a_browser(address: str, ada: Account, *, host: str, origin: str) -> None:
    """Load the page, sign in with an Origin, open a socket with the cookie."""
    headers = {"Host": host, "Origin": origin}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=15) as http:
        page = await http.get("/accounts/sign-up/")
        assert page.status_code == httpx.codes.OK, page.text
        await signed_in(http, ada)
        assert (await http.post("/api/tickets")).status_code == httpx.codes.CREATED
        socket_url = address.replace("http", "ws", 1) + "/ws/"
        async with PlainSocket(socket_url, headers={"Origin": origin, **session_cookie(http)}) as socket:
            assert (await socket.receive_type("hello"))["user"]["id"] == ada.id


def printed_address(run: MakeRun) -> str:
    found = re.search(r"comes up at (\S+)", run.log.read_text())
    assert found, run.log.read_text()
    return found[1]


@pytest.mark.parametrize("host", ["127.0.0.2", "0.0.0.0", "::1", "::", "localhost"])
async def test_printed_address_works_for_each_host(later_make_run: MakeRun, host: str) -> None:
    process = later_make_run.launch(HOST=host)
    process.wait_until(lambda: "comes up at" in process.tail(), timeout=300, what="the greeting")
    address = printed_address(later_make_run)
    process.wait_until(lambda: answers(address), timeout=60, what=address)
    ada = await sign_up(address)
    await signs_in_as_a_browser(address, ada, host=urlsplit(address).netloc, origin=address)


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("HTTP://Chat.Example:80/", "http://chat.example"),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
        ("http://[2001:DB8:0::1]:80", "http://[2001:db8::1]"),
    ],
)
async def test_public_url_is_accepted_in_its_usual_forms(later_make_run: MakeRun, written: str, origin: str) -> None:
    process = later_make_run.launch(PUBLIC_URL=written)
    process.wait_until(later_make_run.ready, timeout=300, what="make run")
    assert printed_address(later_make_run) == origin
    ada = await sign_up(later_make_run.base_url)
    await signs_in_as_a_browser(later_make_run.base_url, ada, host=urlsplit(origin).netloc, origin=origin)
