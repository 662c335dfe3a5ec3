"""The server answers too large, slow or many requests before buffering."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from uvicorn import Config
from uvicorn import Server as Uvicorn

from bench.cpu import memory as memory_of
from server import request_limits
from server.http_protocol import HttpProtocol
from tests.support.server import Server

pytestmark = pytest.mark.once

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /api/signup HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
MIB = 1024 * 1024

Ask = Callable[..., Awaitable[bytes]]


async def answer_to(address: tuple[str, int], parts: list[bytes], *, pause_s: float = 0.0) -> bytes:
    """Return the server's whole answer to a request in `parts`."""
    reader, writer = await asyncio.open_connection(*address)

    async def send() -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)

    sending = asyncio.create_task(send())
    answer = await asyncio.wait_for(reader.read(), 30)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    writer.transport.abort()
    return answer


@pytest.fixture
async def app(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ask]:
    """`await app(parts…)` returns a server's answer to these parts.

    It has short time limits; its app returns the body's length.
    """
    monkeypatch.setattr(request_limits, "HEAD_S", 0.3)
    monkeypatch.setattr(request_limits, "BODY_S", 0.3)
    monkeypatch.setattr(request_limits, "LINGER_S", 0.1)

    async def length(scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            size, more = size + len(event["body"]), event["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"length %d" % size})

    listening = socket.create_server(("127.0.0.1", 0))
    server = Uvicorn(Config(length, http=HttpProtocol, lifespan="off", log_level="critical"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))

    async def ask(*parts: bytes, pause_s: float = 0.0) -> bytes:
        return await answer_to(listening.getsockname(), list(parts), pause_s=pause_s)

    yield ask
    server.should_exit = True
    await serving


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("size", [70_000, 100_000, 200_000])
async def test_body_in_one_read_with_its_headers_is_no_header(app: Ask, size: int) -> None:
    answer = await app(POST + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
    assert b"length %d\r\n" % size in answer


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: here\r\n\r\n", 414),
        (GET + b"X-Long: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (GET + b"X-Line: 1\r\n" * 200 + b"\r\n", 431),
        (POST + b"Content-Length: 9999999999999\r\n\r\n", 413),
        (POST + b"Content-Length: 1048577\r\n\r\n", 413),
    ],
    ids=["address", "header", "headers", "huge body", "body"],
)
async def test_oversize_request_is_refused_by_name(app: Ask, request_: bytes, status: int) -> None:
    answer = await app(request_)
    assert status_of(answer) == status
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == status


async def test_body_at_the_limit_is_accepted(app: Ask) -> None:
    answer = await app(POST + b"Content-Length: 1048576\r\n\r\n", b"a" * MIB)
    assert answer.endswith(b"length 1048576\r\n0\r\n\r\n")


async def test_unfinished_header_is_refused_before_its_end(app: Ask) -> None:
    answer = await app(GET + b"X-Long: ", *[b"a" * 10_000] * 20)
    assert status_of(answer) == 431


async def test_chunked_body_is_refused_before_its_end(app: Ask) -> None:
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    assert status_of(await app(POST + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 40)) == 413


async def test_endless_trailers_are_refused(app: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "BODY_S", 30.0)
    trailers = [b"X-Trailer: " + b"a" * 250_000] * 40
    assert status_of(await app(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", *trailers)) == 413


async def test_half_sent_head_is_answered_in_time(app: Ask) -> None:
    assert status_of(await app(GET)) == 408


async def test_trickling_head_is_answered_in_time(app: Ask) -> None:
    assert status_of(await app(GET, *[b"X: y\r\n"] * 50, pause_s=0.02)) == 408


async def test_half_sent_body_is_answered_in_time(app: Ask) -> None:
    assert status_of(await app(POST + b"Content-Length: 100\r\n\r\nhalf")) == 408


async def test_silent_connection_is_closed_in_time(app: Ask) -> None:
    assert await app() == b""


async def test_flood_of_pipelined_requests_is_refused(app: Ask) -> None:
    body = b"Content-Length: 1\r\n\r\na"
    answer = await app((POST + body) * 100)
    assert answer.count(b"HTTP/1.1 ") <= request_limits.PIPELINED + 1


@pytest.fixture
async def address(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[str, int]]:
    """A server whose every answer has ANSWER bytes."""
    monkeypatch.setattr(request_limits, "UNSENT_S", 0.4)

    async def large(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"x" * ANSWER})

    listening = socket.create_server(("127.0.0.1", 0))
    server = Uvicorn(Config(large, http=HttpProtocol, lifespan="off", log_level="critical", timeout_keep_alive=1))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield listening.getsockname()
    server.should_exit = True
    await serving


ANSWER = 16 * MIB


async def test_answer_that_nobody_reads_is_dropped(address: tuple[str, int]) -> None:
    """A thousand of them, each of a page's size, took a worker all of its memory."""
    reader, writer = await asyncio.open_connection(*address, limit=1024)
    writer.write(GET + b"\r\n")
    await reader.readexactly(1024)
    await asyncio.sleep(1.5)
    received = 0
    with contextlib.suppress(ConnectionResetError):
        while data := await asyncio.wait_for(reader.read(MIB), 10):
            received += len(data)
    assert received < ANSWER // 2
    writer.transport.abort()


async def test_slow_reader_of_an_answer_gets_all_of_it(address: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_connection(*address, limit=1024)
    writer.write(GET + b"\r\n")
    received = 0
    while data := await reader.read(MIB):
        received += len(data)
        if received % 8 == 0:
            await asyncio.sleep(0.02)
    assert received > ANSWER
    writer.transport.abort()


async def test_oversize_handshake_is_refused(app: Ask) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    assert status_of(await app(GET + upgrade + b"X-Line: 1\r\n" * 200 + b"\r\n")) == 431


async def test_flood_of_header_bytes_leaves_memory_and_others_alone(server: Server) -> None:
    """118 MB of one header killed a worker with all its sockets.

    60 MB blocked it for 7 s.
    """
    before = memory_of(server.process.members())
    address = ("127.0.0.1", server.port)
    floods = [asyncio.create_task(answer_to(address, [GET + b"X-Long: ", *[b"a" * MIB] * 64])) for _ in range(4)]
    slowest = 0.0
    loop = asyncio.get_running_loop()
    while not all(flood.done() for flood in floods):
        started = loop.time()
        assert status_of(await answer_to(address, [GET + b"Connection: close\r\n\r\n"])) == 200
        slowest = max(slowest, loop.time() - started)
    for flood in floods:
        answer = await asyncio.gather(flood, return_exceptions=True)
        assert isinstance(answer[0], ConnectionError) or status_of(answer[0]) == 431  # type: ignore[arg-type]
    assert slowest < 3
    assert memory_of(server.process.members()) - before < 64 * MIB
