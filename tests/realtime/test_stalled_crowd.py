"""A thousand stalled readers neither fill the memory nor delay others."""

import asyncio
import base64
import json
import os
import secrets
import socket as sockets
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import pytest

from tests.conftest import StartServer
from tests.realtime.test_slow_reader import memory_mb, narrow, too_slow
from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.server import Server

STALLED, ASKING, HEALTHY = 1_000, 400, 20
UNSENT_MB = 16
#: The bound, the normal cost of a thousand served sockets, and room for the allocator. Each may
#: leave a MiB alone: without a bound for all it would be a thousand.
GROWTH_MB = UNSENT_MB + 150
TEXT = "\N{GRINNING FACE}" * 10_000  # 40 kB on the wire
GONE_WITHIN_S = 30


@pytest.fixture
def small(start_server: StartServer) -> Server:
    """One process with a small bound."""
    unlimited = {"LIMIT_MESSAGES_PER_S": "0", "LIMIT_SOCKETS_PER_USER": "0"}
    return start_server(WEB_CONCURRENCY="1", LIMIT_UNSENT_MB=str(UNSENT_MB), **unlimited)


class Stage:
    """A writer and a room with healthy readers, and an account for the stalled ones."""

    def __init__(self, server: Server, room: str, writer: ChatClient, readers: list[ChatClient], sleeper: Account) -> None:
        self.server, self.room, self.writer, self.readers, self.sleeper = server, room, writer, readers, sleeper
        self.peak = 0.0
        self._stalled: list[sockets.socket] = []

    async def latency(self, messages: int) -> float:
        """Return the median seconds from a send to the slowest healthy reader."""
        taken = []
        for _ in range(messages):
            started = time.monotonic()
            sent = await self.writer.send(self.room, TEXT)
            await asyncio.gather(*(reader.expect("message", seq=sent["seq"], timeout=20) for reader in self.readers))
            taken.append(time.monotonic() - started)
            self.peak = max(self.peak, memory_mb(self.server))
        return sorted(taken)[len(taken) // 2]

    async def stall(self, number: int, *, joins: int) -> None:
        """Open sockets that join several times and read nothing after the first bytes."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(8) as threads:
            one = (self.server, self.sleeper, self.room, joins)
            self._stalled += await asyncio.gather(*(loop.run_in_executor(threads, stalled, *one) for _ in range(number)))

    async def gone(self) -> None:
        """Wait until the server has closed all stalled sockets."""
        deadline = time.monotonic() + GONE_WITHIN_S
        while await too_slow(self.server) < len(self._stalled):
            self.peak = max(self.peak, memory_mb(self.server))
            assert time.monotonic() < deadline, f"{await too_slow(self.server)} of {len(self._stalled)} were let go"
            await asyncio.sleep(0.2)

    def close(self) -> None:
        for one in self._stalled:
            one.close()


@pytest.fixture
async def stage(small: Server) -> AsyncIterator[Stage]:
    server = small
    writer, reader, sleeper = [await sign_up(server.base_url) for _ in range(3)]
    room = await create_room(server.base_url, writer)
    async with AsyncExitStack() as exits:
        mouth = await exits.enter_async_context(ChatClient(server.ws_url(), writer))
        readers = [await exits.enter_async_context(ChatClient(server.ws_url(), reader)) for _ in range(HEALTHY)]
        for each in readers:
            await each.join(room)
        made = Stage(server, room, mouth, readers, sleeper)
        try:
            yield made
        finally:
            made.close()


async def test_thousand_stalled_readers_do_not_grow_memory(stage: Stage) -> None:
    alone = await stage.latency(30)
    await stage.stall(STALLED, joins=1)
    before = stage.peak = memory_mb(stage.server)
    beside = await stage.latency(60)
    await stage.gone()
    assert stage.peak - before < GROWTH_MB
    # Generous: the room is fifty times as large, and this is a busy machine.
    assert beside < max(5 * alone, 0.25), f"{alone:.3f} s alone, {beside:.3f} s beside them"
    async with ChatClient(stage.server.ws_url(), stage.sleeper) as back:
        events = await back.catch_up(stage.room, after=0)
        assert [event["seq"] for event in events] == list(range(1, 91))


@pytest.mark.once
async def test_stalled_readers_of_pages_do_not_grow_memory(stage: Stage) -> None:
    """Each page is encoded for its reader alone, so pages share no bytes."""
    await stage.latency(20)
    before = stage.peak = memory_mb(stage.server)
    watching = asyncio.create_task(_watch(stage))
    await stage.stall(ASKING, joins=2)
    await stage.latency(5)
    await stage.gone()
    watching.cancel()
    assert stage.peak - before < GROWTH_MB
    async with ChatClient(stage.server.ws_url(), stage.sleeper) as back:
        assert len(await back.catch_up(stage.room, after=0)) == 25


async def _watch(stage: Stage) -> None:
    while True:
        stage.peak = max(stage.peak, memory_mb(stage.server))
        await asyncio.sleep(0.1)


def stalled(server: Server, account: Account, room: str, joins: int) -> sockets.socket:
    """Return a socket that has joined and reads no more."""
    socket = narrow(server)
    socket.settimeout(30)
    lines = [
        "GET /ws/ HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        *(f"{name}: {value}" for name, value in account.headers.items()),
    ]  # fmt: skip
    socket.sendall("\r\n".join([*lines, "", ""]).encode())
    _read_until(socket, b'"hello"')
    after = {} if joins == 1 else {"after": 0}  # the latest messages, or the largest page
    head = json.dumps({"type": "room.join", "id": 1, "room": room, **after})
    for _ in range(joins):
        socket.sendall(_masked(head))
    _read_until(socket, b"room.joined")
    return socket


def _read_until(socket: sockets.socket, mark: bytes) -> None:
    seen = b""
    while mark not in seen:
        some = socket.recv(512)
        assert some, f"closed after {seen!r}"
        seen += some


def _masked(text: str) -> bytes:
    """Return a client's text frame."""
    payload, mask = text.encode(), secrets.token_bytes(4)
    assert len(payload) < 126
    return bytes([0x81, 0x80 | len(payload)]) + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
