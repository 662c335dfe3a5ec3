"""Our worker's WebSocket protocol over a transport that a test brings."""

from __future__ import annotations

import functools
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.protocol import State

from server.websocket.socket_protocol import SocketProtocol


async def _application(scope: Any, receive: Any, send: Any) -> None:
    """Do nothing: the test stands for the application."""


@functools.cache
def _config() -> Config:
    config = Config(_application, ws=SocketProtocol, lifespan="off", proxy_headers=False, log_config=None)
    config.load()
    return config


def open_protocol(transport: Any) -> SocketProtocol:
    """Return a protocol whose handshake is over, and which has read nothing yet."""
    made = SocketProtocol(_config(), ServerState(), {})
    made.transport = transport
    made.handshake_initiated = made.handshake_complete = made.idle = True
    made.conn.state = State.OPEN
    made.conn.expect_frames()
    return made
