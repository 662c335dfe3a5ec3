"""Frames go directly to the connection while its transport is empty."""

import asyncio
import socket as sockets
import ssl
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from uvicorn.config import Config
from uvicorn.server import ServerState

from core.framing import encode_text_frame
from server.http_protocol import HttpProtocol
from server.websocket.socket_protocol import EXTENSION, SocketProtocol
from tests.server.test_unanswered_ping import HANDSHAKE

pytestmark = pytest.mark.once

# More than the kernel takes at once, and frames after that.
PIECES = [str(number) * size for number, size in enumerate((3, 300_000, 5, 1_000_000, 7, 2_000_000, 0))]
# Below HTTP's pause of writing, above a small kernel buffer.
RESPONSE = b"r" * 60_000
REQUEST = b"GET / HTTP/1.1\r\nHost: server\r\n\r\n"


Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Run on uvloop and on asyncio's loop.

    They pause and resume at different moments.
    """
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


class App:
    """Accepts and exposes its frame writer; answers a request with RESPONSE."""

    def __init__(self) -> None:
        self.frame_writer: asyncio.Future[SocketProtocol] = asyncio.get_running_loop().create_future()
        self.gone = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(RESPONSE))]})
            await send({"type": "http.response.body", "body": RESPONSE})
            return
        await receive()
        await send({"type": "websocket.accept"})
        self.frame_writer.set_result(scope["extensions"][EXTENSION])
        while (await receive())["type"] != "websocket.disconnect":
            continue
        self.gone.set()


class Place:
    """Connections under our protocols, made like the worker's."""

    def __init__(self) -> None:
        self.app = App()
        self.config = Config(self.app, ws=SocketProtocol, ws_ping_interval=None, proxy_headers=False, log_config=None)
        self.config.load()
        self.state = ServerState()

    def protocol(self) -> HttpProtocol:
        return HttpProtocol(self.config, self.state, {}, asyncio.get_running_loop())

    async def open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> SocketProtocol:
        writer.write(HANDSHAKE)
        frame_writer = await asyncio.wait_for(self.app.frame_writer, 10)
        assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        return frame_writer


def write_all(frame_writer: SocketProtocol) -> None:
    for piece in PIECES:
        frame_writer.write_frames(encode_text_frame(piece))


async def read_all(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(30):
        return await reader.readexactly(sum(len(encode_text_frame(piece)) for piece in PIECES))


def test_bytes_beyond_the_kernel_buffer_follow_in_order(run: Run) -> None:
    async def body() -> None:
        place = Place()
        ours, theirs = sockets.socketpair()
        await asyncio.get_running_loop().connect_accepted_socket(place.protocol, ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        frame_writer = await place.open(reader, writer)
        assert frame_writer.fd == ours.fileno()
        for _ in range(3):
            write_all(frame_writer)
            await asyncio.sleep(0.05)
            assert frame_writer.paused_at is not None
            assert await read_all(reader) == b"".join(map(encode_text_frame, PIECES))
            while frame_writer.paused_at is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        writer.close()

    run(body())


def test_direct_writes_do_not_bypass_tls(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        place = Place()
        certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=localhost",
        ]
        subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=30)  # noqa: ASYNC221
        here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        here.load_cert_chain(certificate, key)
        there = ssl.create_default_context(cafile=str(certificate))
        there.check_hostname = False
        server = await asyncio.get_running_loop().create_server(place.protocol, "127.0.0.1", 0, ssl=here)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=there)
            frame_writer = await place.open(reader, writer)
            write_all(frame_writer)
            assert await read_all(reader) == b"".join(map(encode_text_frame, PIECES))
            writer.close()
            await asyncio.wait_for(place.app.gone.wait(), 10)

    run(body())


def test_rest_of_an_http_answer_is_sent_first(run: Run) -> None:
    async def body() -> None:
        place = Place()
        ours, theirs = sockets.socketpair()
        ours.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 4096)
        await asyncio.get_running_loop().connect_accepted_socket(place.protocol, ours)
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(theirs, REQUEST)
        await asyncio.sleep(0.1)  # answered, as far as the kernel takes it
        await loop.sock_sendall(theirs, HANDSHAKE)
        frame_writer = await asyncio.wait_for(place.app.frame_writer, 10)
        assert frame_writer.paused_at is not None, "the peer has not read the earlier bytes"
        write_all(frame_writer)
        reader, writer = await asyncio.open_connection(sock=theirs)
        assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert await asyncio.wait_for(reader.readexactly(len(RESPONSE)), 10) == RESPONSE
        assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert await read_all(reader) == b"".join(map(encode_text_frame, PIECES))
        writer.close()

    run(body())


def test_error_of_a_write_is_left_to_the_transport(run: Run) -> None:
    """The kernel reports a lost connection with any next call.

    Here no read would report it.
    """

    async def body() -> None:
        place = Place()
        ours, theirs = sockets.socketpair()
        await asyncio.get_running_loop().connect_accepted_socket(place.protocol, ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        frame_writer = await place.open(reader, writer)
        frame_writer.transport.pause_reading()
        writer.transport.abort()
        await asyncio.sleep(0.05)
        assert not frame_writer.disconnected
        frame_writer.write_frames(encode_text_frame("to a closed peer"))
        await asyncio.wait_for(place.app.gone.wait(), 10)
        assert frame_writer.write_frames(encode_text_frame("later")) == 0
        assert not place.state.connections

    run(body())


def test_interrupted_write_is_left_to_the_transport(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        place = Place()
        ours, theirs = sockets.socketpair()
        await asyncio.get_running_loop().connect_accepted_socket(place.protocol, ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        frame_writer = await place.open(reader, writer)

        def interrupted(_fd: int, _data: bytes) -> int:
            raise BlockingIOError

        with monkeypatch.context() as patch:
            patch.setattr("server.websocket.socket_protocol.os.write", interrupted)
            write_all(frame_writer)
            assert await read_all(reader) == b"".join(map(encode_text_frame, PIECES))
        writer.close()

    run(body())
