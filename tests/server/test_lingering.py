"""A closing peer that does not read is dropped soon."""

import asyncio
import socket as sockets
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from server.websocket import socket_protocol
from server.websocket.socket_protocol import EXTENSION, SocketProtocol
from tests.server.test_unanswered_ping import HANDSHAKE

pytestmark = pytest.mark.once

FRAME = b"\x82\x7e\xea\x60" + b"x" * 60_000
FRAMES = 16
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"


class Stalled:
    """A connection with a megabyte unsent, whose peer reads at most a little."""

    def __init__(self) -> None:
        self.ours, self.peer = sockets.socketpair()
        self.state = ServerState()
        self.ended = asyncio.Event()
        self.opened = asyncio.Event()
        self.failing = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self.protocol: SocketProtocol = scope["extensions"][EXTENSION]
        self.opened.set()
        try:
            while (await receive())["type"] != "websocket.disconnect":
                assert not self.failing
        finally:
            self.ended.set()

    async def stall(self) -> None:
        config = Config(self, ws_ping_interval=None, proxy_headers=False, log_config=None)
        config.load()
        loop = asyncio.get_running_loop()
        self.peer.sendall(HANDSHAKE)
        await loop.connect_accepted_socket(lambda: SocketProtocol(config, self.state, {}, loop), self.ours)
        await self.opened.wait()
        for _ in range(FRAMES):
            self.protocol.write_frames(FRAME)
        while self.protocol.paused_at is None:  # noqa: ASYNC110
            await asyncio.sleep(0)


@pytest.fixture
async def stalled(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stalled]:
    monkeypatch.setattr(socket_protocol, "LINGER_S", 0.5)
    one = Stalled()
    async with asyncio.timeout(30):
        await one.stall()
        yield one
    one.peer.close()


def says_goodbye(one: Stalled) -> None:
    one.peer.sendall(CLOSE)


def is_closed_and_says_goodbye(one: Stalled) -> None:
    one.protocol.close_with(4008, "too slow")
    one.peer.sendall(CLOSE)


def hangs_up(one: Stalled) -> None:
    one.peer.shutdown(sockets.SHUT_WR)


def is_shut_down(one: Stalled) -> None:
    one.protocol.shutdown()


def fails(one: Stalled) -> None:
    """End the app without closing the socket."""
    one.failing = True
    one.peer.sendall(b"\x81\x81\0\0\0\0x")


@pytest.mark.parametrize("ends", [says_goodbye, is_closed_and_says_goodbye, hangs_up, is_shut_down, fails])
async def test_closing_peer_is_dropped_soon_and_counted_until_then(stalled: Stalled, ends: Callable[[Stalled], None]) -> None:
    ends(stalled)
    await stalled.ended.wait()  # others see the leave at once
    assert stalled.state.connections
    assert stalled.protocol.unsent() > 500_000
    while stalled.state.connections:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.gather(*stalled.state.tasks)
    assert stalled.protocol.unsent() == 0
