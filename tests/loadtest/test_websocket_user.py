"""WebSocketUser against a foreign server, with faults."""

import asyncio
import http
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from loadtest.closing import Closing, full_jitter
from tests.loadtest.conftest import AT_ONCE
from tests.loadtest.runs import AtOnce
from tests.support.server import ROOT, base_environment


async def answer(connection: ServerConnection) -> None:
    """Echo with the fault of the path."""
    path = connection.request.path if connection.request else ""
    count = 0
    async for message in connection:
        count += 1
        if path == "/vanish" and count == 3:
            connection.transport.abort()
        elif path == "/mute" and count == 3:
            connection.transport.pause_reading()  # TCP stays up without answers
        elif path == "/restart" and count == 3:
            await connection.close(1012)
        elif path == "/banish" and count == 3:
            await connection.close(4003)
        elif path == "/pieces":
            await connection.send([message[:1], b"" if isinstance(message, bytes) else "", message[1:]])
        elif path == "/big":
            await connection.send(b"x" * 200_000)
        else:
            await connection.send(message)


def refuse(connection: ServerConnection, request: Request) -> Response | None:
    """Refuse the handshake on one path."""
    return connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "slowly\n") if request.path == "/refuse" else None


@pytest.fixture(scope="module")
def echo_server() -> Iterator[str]:
    """An echo server of the `websockets` library in its own thread.

    Yields its address.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Server:
        return await serve(answer, "127.0.0.1", 0, process_request=refuse, close_timeout=0.2)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(5)
    port = next(iter(server.sockets)).getsockname()[1]
    yield f"http://127.0.0.1:{port}"

    async def stop() -> None:
        server.close()
        await server.wait_closed()

    asyncio.run_coroutine_threadsafe(stop(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def run_users(url: str, path: str, heartbeat: float, until: dict[str, int]) -> dict[str, Any]:
    """Run two users until so much of each has happened; return their counts.

    For a minute at most. They wait 2.5 heartbeats (seconds) for an answer.
    """
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("echo_locustfile.py"))]
    command += ["--headless", "-u", "2", "-r", "2", "-t", "60s", "-H", url, "--only-summary", "--stop-timeout", "5"]
    done = subprocess.run(
        command,
        env=base_environment() | {"ECHO_PATH": path, "ECHO_HEARTBEAT": str(heartbeat), "ECHO_UNTIL": json.dumps(until)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("COUNTED ")]
    assert lines, done.stdout
    assert "Traceback" not in done.stdout
    counted: dict[str, Any] = json.loads(lines[0].removeprefix("COUNTED "))
    return counted | {"code": done.returncode}


Counted = Callable[[str], dict[str, Any]]

# Path of the echo server → heartbeat in seconds, and the counts at which the run ends.
# At "/deaf" a server listens that never answers.
RUNS: dict[str, tuple[float, dict[str, int]]] = {
    "/echo": (5, {"handshakes": 2, "texts": 10}),
    "/pieces": (5, {"handshakes": 2, "texts": 10}),
    "/big": (5, {"handshakes": 2, "binaries": 4}),
    "/refuse": (5, {"refused 429": 6}),
    "/banish": (5, {"server 4003": 2, "not connected": 4}),
    "/vanish": (0.4, {"server 1006": 4, "handshakes": 4, "texts": 7}),
    "/restart": (0.4, {"server 1012": 4, "handshakes": 4, "texts": 7}),
    "/mute": (0.4, {"silent 1006": 4, "handshakes": 4, "texts": 7}),
    "/deaf": (0.4, {"failed 1006": 6, "handshakes": 6}),
}


@pytest.fixture(scope="module")
def counted(echo_server: str) -> Iterator[Counted]:
    """Return the counts of one run's users: `counted("/echo")`.

    All runs are started, several at a time.
    """
    # The kernel completes the TCP connection, and nothing answers.
    with socket.create_server(("127.0.0.1", 0)) as deaf, AtOnce[dict[str, Any]](AT_ONCE) as runs:
        silent = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        for path, (heartbeat, until) in RUNS.items():
            runs.give(path, partial(run_users, silent if path == "/deaf" else echo_server, path, heartbeat, until))
        yield runs.result


@pytest.mark.integration
@pytest.mark.parametrize("path", ["/echo", "/pieces"])
def test_good_server_gets_one_cleanly_closed_connection_a_user(counted: Counted, path: str) -> None:
    found = counted(path)
    assert found["endings"] == {"asked 1000": 2}
    assert found["echoes"]["texts"] >= 2
    assert "not connected" not in found["echoes"]
    assert found["code"] == 0
    entries = found["entries"]
    assert entries["WS handshake"][:2] == [2, 0]
    assert entries["CLOSE asked 1000"][:2] == [2, 0]
    assert entries["WS echo"][0] == found["echoes"]["texts"]
    assert entries["BYTES received"][2] > found["echoes"]["texts"]
    assert entries["BYTES sent"][2] > found["echoes"]["texts"]


@pytest.mark.integration
def test_large_binary_frames_are_read_whole(counted: Counted) -> None:
    found = counted("/big")
    assert found["endings"] == {"asked 1000": 2}
    assert found["echoes"]["binaries"] >= 2


@pytest.mark.integration
@pytest.mark.parametrize(("path", "ending"), [("/vanish", "server 1006"), ("/restart", "server 1012"), ("/mute", "silent 1006")])
def test_a_lost_connection_is_replaced(counted: Counted, path: str, ending: str) -> None:
    found = counted(path)
    assert found["endings"][ending] >= 2
    # Including the last connection of each user, whose server no longer answers.
    assert found["entries"][f"CLOSE {ending}"][0] == found["endings"][ending]
    assert found["entries"]["WS handshake"][0] > 2
    assert found["echoes"]["texts"] > 6, "each user spoke on more than one connection"


@pytest.mark.integration
def test_close_code_without_reconnect_is_obeyed(counted: Counted) -> None:
    found = counted("/banish")
    assert found["endings"] == {"server 4003": 2}
    assert found["echoes"]["not connected"] >= 2


@pytest.mark.integration
def test_refused_handshake_is_retried_and_reported(counted: Counted) -> None:
    found = counted("/refuse")
    assert set(found["endings"]) == {"refused 429"}
    assert found["endings"]["refused 429"] > 4
    assert found["code"] == 1
    assert found["entries"]["WS handshake"][1] > 4


@pytest.mark.integration
def test_silent_server_is_a_failed_attempt(counted: Counted) -> None:
    found = counted("/deaf")
    assert set(found["endings"]) == {"failed 1006"}
    assert found["endings"]["failed 1006"] >= 4
    assert found["code"] == 1, "a run without a single connection is not green"
    assert found["entries"]["WS handshake"][1] >= 6
    assert any("never connected" in error for error in found["errors"])
    assert any("no handshake within" in error for error in found["errors"])


def test_close_frames_are_parsed() -> None:
    assert str(Closing.from_frame(b"\x03\xf4later", asked=False)) == "server (code 1012, later)"
    assert Closing.from_frame(b"", asked=True) == Closing("asked", 1005)


def test_jitter_covers_the_whole_doubling_bound() -> None:
    for attempt, bound in ((0, 0.5), (1, 1.0), (4, 8.0), (5, 10.0), (1000, 10.0)):
        waits = [full_jitter(attempt, 0.5, 10) for _ in range(2000)]
        assert 0 <= min(waits) < bound * 0.05
        assert bound * 0.95 < max(waits) <= bound
