"""A WebSocket's kernel socket retransmits soon after a healed cut."""

import asyncio
import socket
from contextlib import suppress
from typing import Any

import pytest
from uvicorn import Config, Server
from websockets.asyncio.client import connect

from server.http_protocol import HttpProtocol
from server.tcp_options import KERNEL_BYTES, RETRANSMIT_MS, TCP_RTO_MAX_MS
from server.websocket.socket_protocol import EXTENSION, SocketProtocol

pytestmark = pytest.mark.once


def longest_pause(sock: Any) -> int | None:
    """Return milliseconds, or None if the kernel has no such option."""
    with suppress(OSError):
        return int(sock.getsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS))
    return None


@pytest.mark.parametrize("early", [False, True], ids=["of a server that runs", "from before the server's start"])
async def test_kernel_buffers_little_and_retransmits_soon(early: bool) -> None:
    seen: list[tuple[int, int | None]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        sock = scope["extensions"][EXTENSION].transport.get_extra_info("socket")
        seen.append((sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT), longest_pause(sock)))
        await receive()
        await send({"type": "websocket.accept"})

    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    made = socket.create_connection(address) if early else None
    server = Server(Config(app, http=HttpProtocol, ws=SocketProtocol, lifespan="off", log_level="error"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    async with connect(f"ws://127.0.0.1:{address[1]}/", sock=made):
        pass
    server.should_exit = True
    await serving
    with socket.socket() as untouched:
        known = longest_pause(untouched) is not None
    assert seen == [(KERNEL_BYTES, RETRANSMIT_MS if known else None)]
