"""`manage.py drain` and SIGTERM hand sockets over and end in time."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.conftest import StartServer
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.crowd import Crowd
from tests.support.server import ROOT, Server, base_environment, manage
from tests.support.services import Postgres


def drain(server: Server, *arguments: str, **env: str) -> subprocess.Popen[str]:
    """Start `manage.py drain` with the server's settings."""
    command = [sys.executable, str(ROOT / "app" / "manage.py"), "drain", *arguments]
    given = base_environment() | server.env | {"RUNTIME_DIR": str(server.data_dir / "run"), "PORT": str(server.port)} | env
    return subprocess.Popen(command, env=given, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def drained(server: Server, *arguments: str, **env: str) -> tuple[int, str]:
    """Return the exit code and the output."""
    process = drain(server, *arguments, **env)
    out, err = await asyncio.to_thread(process.communicate, timeout=90)
    return process.returncode, out + err


def workers(server: Server) -> set[int]:
    return set(server.process.members()) - {server.process.pid}


def unfinished_request(server: Server) -> socket.socket:
    """A request without its body: it holds a draining worker for 0.3 × DRAIN_SECONDS."""
    half = socket.create_connection(("127.0.0.1", server.port))
    half.sendall(b"POST /api/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
    sleep(0.5)
    return half


def kept_connection(server: Server) -> socket.socket:
    """A connection with one answered request, ready for another."""
    kept = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert b"200 OK" in kept.recv(4096)
    return kept


def handshake_on(kept: socket.socket) -> bytes:
    """Return the whole answer to a handshake on it."""
    came = b""
    with kept, suppress(ConnectionError):
        upgrade = b"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        kept.sendall(upgrade + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n")
        while some := kept.recv(4096):
            came += some
    return came


@asynccontextmanager
async def sockets(server: Server, count: int) -> AsyncIterator[list[ClientConnection]]:
    """Open this many sockets of one person and read their hello."""
    ada = await sign_up(server.base_url)
    async with AsyncExitStack() as exits:
        opened: list[ClientConnection] = []
        for start in range(0, count, 50):
            several = [connect(server.ws_url(), additional_headers=ada.headers) for _ in range(min(50, count - start))]
            opened += await asyncio.gather(*(exits.enter_async_context(one) for one in several))
        for one in opened:
            assert '"hello"' in str(await one.recv())
        yield opened


async def end_of(one: ClientConnection) -> tuple[list[str], int | None, float]:
    """Return the remaining frames, the close code, and the time of the close."""
    frames = []
    with suppress(ConnectionClosed):
        while True:
            frames.append(str(await one.recv()))
    return frames, one.close_code, monotonic()


async def test_drain_hands_sockets_over_and_ends(start_server: StartServer) -> None:
    server = start_server(LIMIT_SOCKETS_PER_USER="0")
    async with sockets(server, 20) as opened:
        code, said = await drained(server)
        ends = [await end_of(one) for one in opened]
    assert code == 0, said
    assert f"Draining 127.0.0.1:{server.port} (process {server.process.pid}, {server.env['WEB_CONCURRENCY']} workers)." in said
    assert said.endswith("Drained.\n")
    assert {close for _, close, _ in ends} == {1012}
    assert all('"drain"' in "".join(frames) for frames, _, _ in ends)
    assert server.process.popen.wait(1) == 0
    assert list((server.data_dir / "run").iterdir()) == []


@pytest.mark.once
async def test_drain_without_a_server_is_an_error(start_server: StartServer) -> None:
    server, other = start_server(), start_server()
    server.kill()  # its pid file is still there
    for env in ({}, {"PORT": "1"}, {"HOST": "127.0.0.2"}):
        code, said = await drained(server, **env)
        assert code == 1
        assert f"no server of this account runs on {env.get('HOST', '127.0.0.1')}:{env.get('PORT', server.port)}" in said
    # No other port and no other directory was touched.
    assert other.ready()
    assert (await drained(server, "--timeout", "soon"))[0] == 2


@pytest.mark.once
async def test_drain_ends_only_the_server_on_its_port(start_server: StartServer) -> None:
    one, other = start_server(), start_server(RUNTIME_DIR="")
    shared = str(one.data_dir / "run")
    other.stop()
    other.env["RUNTIME_DIR"] = shared
    other.start()
    assert (await drained(other, RUNTIME_DIR=shared))[0] == 0
    assert one.ready()
    assert other.process.popen.wait(1) == 0


@pytest.mark.drill
@pytest.mark.fleet
async def test_recycling_replaces_each_worker_without_an_outage(start_server: StartServer) -> None:
    server = start_server(DRAIN_SECONDS="5")
    before = workers(server)
    async with Crowd(server.base_url, readers=4, writers=3, askers=2) as crowd:
        await crowd.until_written(5)
        code, said = await drained(server, "--recycle")
        assert code == 0, said
        await crowd.until_written(5)
    await crowd.hold_to_the_log()
    assert said.endswith("Recycled.\n")
    assert crowd.failed_requests == []
    assert set(crowd.ended()) <= {"1012"}
    assert max(crowd.connections()) <= 1 + len(before)
    after = workers(server)
    assert after.isdisjoint(before)
    assert len(after) == len(before)
    # A second time, with the settings as before.
    assert (await drained(server, "--recycle"))[0] == 0
    assert len(workers(server)) == len(before)


@pytest.mark.once
async def test_second_recycling_at_once_is_refused(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="1", DRAIN_SECONDS="300")
    with unfinished_request(server):
        first = drain(server, "--recycle")
        assert first.stdout
        assert "Replacing 1 workers" in await asyncio.to_thread(first.stdout.readline)
        code, said = await drained(server, "--recycle", "--timeout", "1")
    assert code == 1
    assert "another process is replacing a worker" in said
    assert await asyncio.to_thread(first.wait, 60) == 0


@pytest.mark.once
async def test_kept_connection_is_closed_with_its_next_answer(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="1", LIMIT_SOCKETS_PER_USER="0")
    async with sockets(server, 10), httpx.AsyncClient(base_url=server.base_url, timeout=10) as http:
        assert "connection" not in (await http.get("/readyz")).headers
        kept = await asyncio.to_thread(kept_connection, server)
        server.process.send(signal.SIGTERM)
        with pytest.raises(ConnectionRefusedError):
            while True:  # it drains once it no longer listens
                socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
                await asyncio.sleep(0.02)
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["draining"] == "failing"
        assert answer.headers["connection"] == "close"
        # A handshake on it gets 1012, or no answer if the connection was just closed.
        came = await asyncio.to_thread(handshake_on, kept)
        assert came == b"" or came.endswith(b"\x03\xf4service restart"), came
        with pytest.raises(httpx.ConnectError):
            await http.get("/readyz")
    assert server.process.popen.wait(10) == 0
    assert server.log.count("/readyz: this process hands its sockets over") == 1
    assert "DRAIN_SECONDS" in server.log


@pytest.mark.once
async def test_thousand_sockets_are_closed_at_the_set_rate(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="1", LIMIT_SOCKETS_PER_USER="0")
    async with sockets(server, 1000) as opened:
        ending = [asyncio.create_task(end_of(one)) for one in opened]
        began = monotonic()
        server.process.send(signal.SIGTERM)
        ends = await asyncio.gather(*ending)
        code = await asyncio.to_thread(server.process.popen.wait, 20)
    assert {close for _, close, _ in ends} == {1012}
    assert {frame for frames, _, _ in ends for frame in frames if '"drain"' in frame} == {'{"type":"drain","after_ms":5000}'}
    moments = sorted(moment - began for _, _, moment in ends)
    # 1,000 / 200 a second, with jitter that only shortens: at least half of it.
    assert 2.2 < moments[-1] < 6
    assert moments[500] > 0.3 * moments[-1]
    assert code == 0


@pytest.mark.once
async def test_long_drain_is_not_killed_as_a_stuck_worker(start_server: StartServer) -> None:
    # An endless request keeps it for 0.3 × DRAIN_SECONDS, longer than Gunicorn's --timeout.
    server = start_server(WEB_CONCURRENCY="1", DRAIN_SECONDS="120")
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(
            b"POST /api/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\nContent-Type: application/json\r\n\r\n{"
        )
        await asyncio.sleep(0.5)
        began = monotonic()
        assert await asyncio.to_thread(lambda: stopped(server, signal.SIGTERM, within=50)) == 0
        assert 34 < monotonic() - began < 45
    assert "WORKER TIMEOUT" not in server.log
    assert "SIGKILL" not in server.log


def stopped(server: Server, *numbers: signal.Signals, within: float) -> int:
    """Send the signals, 0.5 s apart, and return the exit code."""
    for number in numbers:
        server.process.send(number)
        try:
            return server.process.popen.wait(0.5)
        except subprocess.TimeoutExpired:
            pass
    return server.process.popen.wait(within)


@pytest.mark.fleet
@pytest.mark.parametrize(
    "numbers", [(signal.SIGTERM, signal.SIGINT), (signal.SIGTERM, signal.SIGTERM, signal.SIGQUIT), (signal.SIGINT,)]
)
async def test_second_signal_closes_all_sockets_at_once(start_server: StartServer, numbers: tuple[signal.Signals, ...]) -> None:
    server = start_server(LIMIT_SOCKETS_PER_USER="0", DRAIN_SECONDS="60")
    async with sockets(server, 600) as opened:
        ending = [asyncio.create_task(end_of(one)) for one in opened]
        began = monotonic()
        assert await asyncio.to_thread(lambda: stopped(server, *numbers, within=20)) == 0
        took = monotonic() - began
        ends = await asyncio.gather(*ending)
    assert {close for _, close, _ in ends} == {1012}
    assert took < 0.5 * len(numbers) + 3
    assert "SIGKILL" not in server.log


@pytest.mark.fleet
async def test_drain_finishes_open_commits(start_server: StartServer) -> None:
    server = start_server(LIMIT_MESSAGES_PER_S="0")
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.join(room)
        acknowledged = [await chat.send(room, f"text {number}") for number in range(5)]
        # The server reads these, but its replies may be lost.
        for number in range(5, 45):
            await chat.push("message.send", room=room, text=f"text {number}", key=f"key {number}")
        await chat.request("ping")
        assert await asyncio.to_thread(server.stop) == 0
    server.start()
    async with ChatClient(server.ws_url(), ada) as chat:
        events = await chat.catch_up(room, after=0)
    assert [event["text"] for event in events] == [f"text {number}" for number in range(45)]
    assert [event["seq"] for event in events][:5] == [reply["seq"] for reply in acknowledged]


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A Postgres for one test, which may hang."""
    with Postgres() as own:
        yield own


@pytest.mark.fleet
async def test_hanging_database_delays_the_drain_within_its_limit(postgres: Postgres, start_server: StartServer) -> None:
    env = {"DATABASE_URL": postgres.create_database(), "SECRET_KEY": "only-for-this-test" * 3}
    manage("migrate", "--no-input", env=base_environment() | env)
    server = start_server(DRAIN_SECONDS="6", **env)
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.join(room)
        postgres.freeze()
        try:
            for number in range(5):
                await chat.push("message.send", room=room, text=f"text {number}", key=f"key {number}")
            await asyncio.sleep(0.2)
            began = monotonic()
            assert await asyncio.to_thread(server.stop) == 0
            took = monotonic() - began
        finally:
            postgres.thaw()
        await chat.expect_close(1012)
    assert took < 6 + 2


@pytest.mark.once
async def test_wait_of_drain_is_bounded(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="1", DRAIN_SECONDS="30")
    with unfinished_request(server):
        code, said = await drained(server, "--timeout", "1")
        assert code == 3
        assert f"process {server.process.pid} has not ended within 1 s; it goes on draining" in said
    assert await asyncio.to_thread(server.process.popen.wait, 20) == 0


@pytest.mark.once
def test_runtime_directory_of_another_user_is_refused(start_server: StartServer, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    server = start_server(RUNTIME_DIR=str(shared))
    assert f"{shared} is not a directory of our own" in server.log
    assert server.ready()
    assert list(shared.iterdir()) == []
