"""Frames go to the connection itself while nothing waits in the transport: whole, in order, and not around TLS."""

import asyncio
import socket as sockets
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from ops.http_protocol import HttpProtocol
from ops.socket_protocol import EXTENSION, SocketProtocol
from realtime.events import frame_of
from tests.ops.test_unanswered_ping import HANDSHAKE

PIECES = [str(number) * size for number, size in enumerate((3, 300_000, 5, 1_000_000, 7, 2_000_000, 0))]
"""More than the kernel takes at once, and what comes behind that."""


class App:
    """Accepts, and hands over its door."""

    def __init__(self) -> None:
        self.door: asyncio.Future[SocketProtocol] = asyncio.get_running_loop().create_future()
        self.gone = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self.door.set_result(scope["extensions"][EXTENSION])
        while (await receive())["type"] != "websocket.disconnect":
            continue
        self.gone.set()


class Place:
    """Connections under our protocols, as the worker makes them."""

    def __init__(self) -> None:
        self.app = App()
        self.config = Config(self.app, ws=SocketProtocol, ws_ping_interval=None, proxy_headers=False, log_config=None)
        self.config.load()
        self.state = ServerState()

    def protocol(self) -> HttpProtocol:
        return HttpProtocol(self.config, self.state, {}, asyncio.get_running_loop())

    async def open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, before: bytes = b"") -> SocketProtocol:
        writer.write(before + HANDSHAKE)
        door = await asyncio.wait_for(self.app.door, 10)
        assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        return door


@pytest.fixture
async def place() -> Place:
    return Place()


def write_all(door: SocketProtocol) -> None:
    for piece in PIECES:
        door.write_frames(frame_of(piece))


async def read_all(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(30):
        return await reader.readexactly(sum(len(frame_of(piece)) for piece in PIECES))


async def test_what_the_kernel_does_not_take_at_once_comes_behind_in_order(place: Place) -> None:
    ours, theirs = sockets.socketpair()
    await asyncio.get_running_loop().connect_accepted_socket(place.protocol, ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    door = await place.open(reader, writer)
    assert door.fd == ours.fileno()
    for _ in range(3):
        write_all(door)
        await asyncio.sleep(0.05)
        assert door.paused_at is not None
        assert await read_all(reader) == b"".join(map(frame_of, PIECES))
        while door.paused_at is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    writer.close()


async def test_nothing_goes_around_tls(place: Place, tmp_path: Path) -> None:
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
        door = await place.open(reader, writer)
        write_all(door)
        assert await read_all(reader) == b"".join(map(frame_of, PIECES))
        writer.close()
        await asyncio.wait_for(place.app.gone.wait(), 10)


async def test_a_peer_that_is_gone_ends_the_connection_and_nothing_else(place: Place) -> None:
    ours, theirs = sockets.socketpair()
    await asyncio.get_running_loop().connect_accepted_socket(place.protocol, ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    door = await place.open(reader, writer)
    writer.transport.abort()
    while not door.disconnected:
        door.write_frames(frame_of("to nobody"))
        await asyncio.sleep(0)
    await asyncio.wait_for(place.app.gone.wait(), 10)
    assert door.write_frames(frame_of("later")) == 0
    assert not place.state.connections


async def test_an_error_of_the_write_itself_is_left_to_the_transport(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel tells of a reset with the next call, whichever that is."""
    ours, theirs = sockets.socketpair()
    await asyncio.get_running_loop().connect_accepted_socket(place.protocol, ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    door = await place.open(reader, writer)

    def interrupted(_fd: int, _data: bytes) -> int:
        raise BlockingIOError

    with monkeypatch.context() as patch:
        patch.setattr("ops.socket_protocol.os.write", interrupted)
        write_all(door)
        assert await read_all(reader) == b"".join(map(frame_of, PIECES))
    writer.close()
