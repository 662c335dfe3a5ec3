"""Memory of an idle socket, counted object by object in the serving process."""

import asyncio
import base64
import gc
import secrets
import socket as sockets
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import pytest
import uvloop
from uvicorn import Config, Server
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from accounts.models import User
from accounts.services import token_create
from chat.group_commit import writer
from config.asgi import application
from db import database
from realtime import hub
from rooms.services import room_create
from server.http_protocol import HttpProtocol
from server.websocket.compact_protocol import CompactProtocol
from server.websocket.socket_protocol import SocketProtocol

PEOPLE = 60
# Bytes of Python objects for each socket; the transport and the allocator add about 2 kB.
BYTES = 14_000
HALF = PEOPLE // 2
# Types of objects that exist until the handshake's answer, or not at all.
OPENING_ALONE = {
    "HTTPRequest", "Headers", "BufferedUntilAccept", "HttpProtocol", "HttpRequestParser", "Queue", "Request", "Response", "URL",
    "deque",
}  # fmt: skip
LONG = 200_000
WAIT_S = 60


def people_of(room: str) -> list[str]:
    """Return tokens of the users who will join it."""
    people = [User.objects.create_user(username=f"user-{secrets.token_hex(6)}") for _ in range(PEOPLE + 1)]
    room_create(slug=room, title=room, private=False, owner=people[0].id)
    return [token_create(user=user) for user in people]


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Server, int]]:
    """Serve the application on our protocols in this process.

    Yields the server and its port.
    """
    listening = sockets.create_server(("127.0.0.1", 0))
    config = Config(application, http=HttpProtocol, ws=SocketProtocol, lifespan="off", log_level="critical", access_log=False)
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    yield server, listening.getsockname()[1]
    server.should_exit = True
    await task
    await writer().close()
    await hub.current().stop()


async def joined(port: int, token: str) -> sockets.socket:
    """A socket in the room `hall` with all its frames read.

    A bare one: the client runs in this process, too.
    """
    loop = asyncio.get_running_loop()
    client = sockets.socket()
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", port))
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    lines = ("GET /ws/ HTTP/1.1", "Host: here", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    request = "\r\n".join((*lines, f"Sec-WebSocket-Key: {key}", f"Authorization: Token {token}", "", ""))
    await loop.sock_sendall(client, request.encode())
    await hear(client, b'"hello"')
    await say(client, b'{"type":"room.join","room":"hall","id":1}')
    await hear(client, b'"room.joined"')
    return client


async def say(client: sockets.socket, text: bytes) -> None:
    """Return a text frame with a mask of zeros."""
    head = struct.pack("!BBQ", 0x81, 0x80 + 127, len(text))
    await asyncio.get_running_loop().sock_sendall(client, head + bytes(4) + text)


async def hear(client: sockets.socket, word: bytes) -> None:
    heard = b""
    while word not in heard:
        read = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 65_536), WAIT_S)
        assert read, heard
        heard += read


@contextmanager
def counted_anew() -> Iterator[None]:
    """Exclude all existing objects from `held`."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def held() -> tuple[Counter[str], int]:
    """Return new objects by type, and the bytes of all.

    Counts collected objects and their exclusive referents.
    """
    gc.collect()
    waiting = gc.get_objects()
    seen = {id(each) for each in (*waiting, waiting)}
    kinds: Counter[str] = Counter()
    size = 0
    while waiting:
        each = waiting.pop()
        kinds[type(each).__name__] += 1
        size += sys.getsizeof(each)
        for other in gc.get_referents(each):
            if id(other) not in seen and not gc.is_tracked(other):
                seen.add(id(other))
                waiting.append(other)
    return kinds, size


@pytest.mark.once
def test_idle_socket_keeps_little_memory(transactional_db: None) -> None:
    async def measure() -> tuple[int, list[Counter[str]], list[int]]:
        first, *others = await database.run(people_of, "hall")
        async with serving() as (server, port), AsyncExitStack() as clients:
            clients.callback((await joined(port, first)).close)
            kinds, sizes = [], []
            for half in (others[:HALF], others[HALF:]):
                kinds_before, size_before = held()
                for token in half:
                    clients.callback((await joined(port, token)).close)
                kinds_after, size_after = held()
                kinds.append(kinds_after - kinds_before)
                sizes.append(size_after - size_before)
            return len(server.server_state.connections), kinds, sizes

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as in our worker
        connections, kinds, sizes = runner.run(measure())
    assert connections == PEOPLE + 1
    for found in kinds:
        assert found["SocketProtocol"] == found["Socket"] == HALF
        assert not {kind for kind in OPENING_ALONE if found[kind] >= HALF / 2}
    # Whatever the process makes once, such as a cache, is counted with one half alone.
    assert min(sizes) / HALF < BYTES


@pytest.mark.once
def test_memory_of_sent_messages_is_freed(transactional_db: None) -> None:
    async def measure() -> int:
        first, second, *_ = await database.run(people_of, "hall")
        async with serving() as (_, port), AsyncExitStack() as clients:
            clients.callback((await joined(port, first)).close)
            with counted_anew():
                client = await joined(port, second)
                clients.callback(client.close)
                await say(client, b'{"type":"message.send","room":"hall","id":2,"key":"k","text":"%s"}' % (b"a" * LONG))
                await hear(client, b'"too_long"')
                return held()[1]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(measure()) < LONG


async def test_every_attribute_of_uvicorn_has_a_slot() -> None:
    """An attribute added by uvicorn would cost each socket a dictionary.

    A dropped one is dropped here.
    """
    config = Config(application, ws=SocketProtocol, lifespan="off")
    config.load()
    state = Server(config).server_state
    stock = WebSocketsSansIOProtocol(config, state, {})
    set_later = {"request", "response", "scope"}
    own = {"slot"}
    assert vars(stock).keys() | set_later | own == set(CompactProtocol.__slots__)
    ours = SocketProtocol(config, state, {})
    assert len(vars(ours.conn)) < 30  # instances of a class share the names of this many attributes
