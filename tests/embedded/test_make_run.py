"""`make run` in a fresh clone, the first of the two commands of the README."""

import re
import signal
import socket
from time import monotonic

import httpx
import pytest

from tests.embedded.conftest import MakeRun
from tests.support.chat_client import ChatClient, sign_up
from tests.support.processes import Process

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(600)]

LOBBY = "lobby"


def end(process: Process, number: signal.Signals) -> float:
    """End it like a terminal or supervisor.

    Return the seconds until all its processes are gone.
    """
    started = monotonic()
    if number == signal.SIGINT:
        process.send_all(number)  # Ctrl-C reaches all foreground processes
    else:
        process.send(number)
    process.wait_until_gone(timeout=30)
    return monotonic() - started


async def test_messages_of_two_people_survive_a_crash(make_run: MakeRun) -> None:
    process = make_run.start()
    ada, bob = await sign_up(make_run.base_url), await sign_up(make_run.base_url)
    async with ChatClient(make_run.ws_url, ada) as hers, ChatClient(make_run.ws_url, bob) as his:
        await hers.join(LOBBY, after=0)
        await his.join(LOBBY, after=0)
        sent = await hers.send(LOBBY, "hello bob")
        seen = await his.expect("message", text="hello bob")
        assert (seen["seq"], seen["from"]) == (sent["seq"], {"id": ada.id, "name": ada.name})
        await his.send(LOBBY, "hello ada")
        await hers.expect("message", text="hello ada")
        process.kill()

    make_run.start()
    async with ChatClient(make_run.ws_url, bob) as his:  # the token is still valid
        events = await his.catch_up(LOBBY, after=0)
        assert [event["text"] for event in events if event["type"] == "message"] == ["hello bob", "hello ada"]
        assert (await his.send(LOBBY, "still here?"))["seq"] == events[-1]["seq"] + 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_make_run_ends_all_its_processes_within_30_s(later_make_run: MakeRun, number: signal.Signals) -> None:
    process = later_make_run.start()
    ada = await sign_up(later_make_run.base_url)
    async with ChatClient(later_make_run.ws_url, ada) as chat:
        await chat.join(LOBBY)
        assert end(process, number) < 30
        await chat.expect_close(1012)
    said = later_make_run.log.read_text()
    assert not re.search("error|traceback|exception", said[said.index("Handling signal") :], re.IGNORECASE), said
    assert list(later_make_run.shared_memory.iterdir()) == []


async def test_make_run_prints_its_address_and_how_to_sign_up(make_run: MakeRun) -> None:
    make_run.start()
    said = make_run.log.read_text()
    assert f"comes up at {make_run.base_url}" in said
    link = re.search(r"Sign up at (\S+)", said)
    assert link
    assert "Ctrl-C" in said
    async with httpx.AsyncClient(follow_redirects=True, timeout=10) as http:
        page = await http.get(link[1])
        assert page.status_code == 200
        assert "<form" in page.text
        assets = re.findall(r'(?:src|href)="(/static/[^"]+\.(?:js|css))"', page.text)
        assert assets, "the page loads nothing of the built front end"
        for asset in assets:
            assert (await http.get(f"{make_run.base_url}{asset}")).status_code == 200


def test_closed_sign_up_is_not_printed_as_first_step(later_make_run: MakeRun) -> None:
    later_make_run.start(SIGNUP_OPEN="False")
    said = later_make_run.log.read_text()
    assert "/accounts/sign-up/" not in said
    assert "Sign-up is closed" in said


def test_port_in_use_is_named(make_run: MakeRun) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process = make_run.launch(PORT=str(port))
        assert process.popen.wait(300) != 0
    assert f"port {port} on 127.0.0.1 is in use" in process.tail()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"WEB_CONCURRENCY": "2"}, "WEB_CONCURRENCY=2 needs REDIS_URL"),
        ({"WEB_CONCURRENCY": "many"}, "WEB_CONCURRENCY must be a positive integer"),
        ({"PORT": "http"}, "PORT must be a positive integer"),
        ({"HOST": "256.1.1.1"}, "cannot listen on 256.1.1.1"),
        ({"DATABASE_URL": "oracle://somewhere"}, "DATABASE_URL"),
    ],
    ids=["two workers without Redis", "no number", "no port", "no address", "unknown database"],
)
def test_make_run_refuses_a_wrong_setting_by_name(make_run: MakeRun, settings: dict[str, str], message: str) -> None:
    process = make_run.launch(**settings)
    assert process.popen.wait(300) != 0
    assert message in process.tail()
