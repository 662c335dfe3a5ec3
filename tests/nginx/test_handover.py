"""Before nginx ends or reloads, web closes its sockets with 1012.

nginx cannot write close frames.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.nginx.conftest import StartFront
from tests.nginx.front import Front
from tests.support.chat_client import Account, sign_up
from tests.support.server import Server

pytestmark = pytest.mark.timeout(120)

PEOPLE = 9


class People:
    """Open sockets and their close codes."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._exits = AsyncExitStack()

    async def open(self, address: str, number: int) -> list[ClientConnection]:
        opened = []
        for _ in range(number):
            wire = connect(f"{address}/ws/", additional_headers=self.account.headers, proxy=None)
            opened.append(await self._exits.enter_async_context(wire))
            assert '"hello"' in str(await opened[-1].recv())
        return opened

    async def close(self) -> None:
        await self._exits.aclose()


@pytest.fixture
async def people(server: Server) -> AsyncIterator[People]:
    opened = People(await sign_up(server.base_url))
    yield opened
    await opened.close()


async def codes(sockets: list[ClientConnection], within: float) -> set[int | None]:
    """Return all close codes, once all sockets are closed."""
    async with asyncio.timeout(within):
        await asyncio.gather(*(one.wait_closed() for one in sockets))
    return {one.close_code for one in sockets}


@pytest.mark.drill
@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM])
async def test_sockets_of_an_ending_nginx_get_1012(
    server: Server, start_front: StartFront, people: People, number: signal.Signals
) -> None:
    ending = start_front(upstream_ports=[server.port])
    staying = start_front(upstream_ports=[server.port])
    handed_over = await people.open(ending.ws, PEOPLE)
    kept = await people.open(staying.ws, 5) + await people.open(server.ws_url("").removesuffix("/"), 5)
    ending.process.send(number)
    assert await codes(handed_over, within=15) == {1012}
    assert await asyncio.to_thread(ending.process.popen.wait, 15) == 0
    for one in kept:
        await (await one.ping())


@pytest.mark.drill
async def test_sockets_from_before_a_reload_get_1012(server: Server, start_front: StartFront, people: People) -> None:
    front = start_front(upstream_ports=[server.port])
    before = await people.open(front.ws, PEOPLE)
    front.process.send(signal.SIGHUP)
    assert await codes(before, within=20) == {1012}
    (after,) = await people.open(front.ws, 1)
    await asyncio.sleep(1)
    await (await after.ping())


def test_nginx_told_to_end_during_a_reload_ends(start_front: StartFront) -> None:
    """nginx remembers the signal during the reload, which takes a second.

    Docker would kill an nginx that forgot it, with its sockets.
    """
    front = start_front()
    front.process.send(signal.SIGHUP)
    front.process.wait_until(lambda: "reconfiguring" in front.log, timeout=10, what="the reload")
    front.process.send(signal.SIGQUIT)
    assert front.process.popen.wait(15) == 0


def test_only_nginx_may_request_a_drain(front: Front) -> None:
    for path in ("/nginx-drain", "//nginx-drain", "/nginx-drain?seconds=1", "/%6eginx-drain"):
        assert httpx.post(front.url + path, headers={"X-Nginx-Instance": "a" * 32}, timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("headers", "query", "status", "said"),
    [
        ({}, "", 400, "X-Nginx-Instance must be 32 hexadecimal digits"),
        ({"X-Nginx-Instance": "of my own"}, "", 400, "X-Nginx-Instance must be 32 hexadecimal digits"),
        ({"X-Nginx-Instance": "a" * 32}, "?seconds=nan", 400, "seconds must be a number from 0 to 3600"),
        ({"X-Nginx-Instance": "a" * 32}, "?seconds=1&seconds=2", 400, "seconds must be a number from 0 to 3600"),
        ({"X-Nginx-Instance": "a" * 32}, "?seconds=5", 202, "draining"),
    ],
)
def test_a_wrong_drain_is_refused_by_name(server: Server, headers: dict[str, Any], query: str, status: int, said: str) -> None:
    answer = httpx.post(f"{server.base_url}/nginx-drain{query}", headers=headers, timeout=10)
    assert (answer.status_code, answer.text) == (status, f"{said}\n")
    assert httpx.get(f"{server.base_url}/nginx-drain", timeout=10).status_code == 405
