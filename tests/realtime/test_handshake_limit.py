"""The hub's own limit of handshakes, for clients that bypass nginx."""

import asyncio
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.conftest import StartServer
from tests.support.server import Server

pytestmark = pytest.mark.once


async def close_code(server: Server, address: str) -> int | None:
    """Return the close code of a handshake: 4001, or 4009 above the limit.

    The handshake has no credentials.
    """
    async with connect(server.ws_url(), additional_headers={"X-Forwarded-For": address}) as socket:
        with suppress(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 5)
        return socket.close_code


async def test_handshakes_of_one_64_are_counted_together(start_server: StartServer) -> None:
    server = start_server(LIMIT_HANDSHAKES_PER_S="1")  # and a burst of four, in each worker
    codes = [await close_code(server, f"2001:db8:0:1::{number:x}") for number in range(30)]
    assert codes[:4] == [4001] * 4
    assert codes.count(4009) >= 15
    assert await close_code(server, "2001:db8:0:2::1") == 4001
