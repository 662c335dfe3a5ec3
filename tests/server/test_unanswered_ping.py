"""A peer that answers no ping is dropped, also with unacked bytes on the way."""

import asyncio
import socket as sockets
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from server.websocket import socket_protocol
from server.websocket.socket_protocol import SocketProtocol

pytestmark = pytest.mark.once

HANDSHAKE = (
    b"GET /ws/ HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MUCH = "x" * 2_000_000


class App:
    """Accept, send much, and wait until the server reports a lost peer."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": MUCH})
        while (await receive())["type"] != "websocket.disconnect":
            continue
        self.gone.set()


async def test_peer_without_reads_and_pongs_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_protocol, "LINGER_S", 0.1)
    app = App()
    config = Config(app, ws_ping_interval=0.1, ws_ping_timeout=0.1, proxy_headers=False, log_config=None)
    config.load()
    state, loop = ServerState(), asyncio.get_running_loop()
    ours, peer = sockets.socketpair()
    peer.sendall(HANDSHAKE)
    await loop.connect_accepted_socket(lambda: SocketProtocol(config, state, {}, loop), ours)
    async with asyncio.timeout(30):
        await app.gone.wait()
        await asyncio.gather(*state.tasks)
    assert not state.connections
    peer.close()
