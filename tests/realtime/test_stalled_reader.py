"""A reader that takes nothing beside one on a slow link; and a drain with both."""

import asyncio
import socket as sockets
from contextlib import suppress

import pytest

from tests.conftest import StartServer
from tests.realtime.test_slow_reader import too_slow
from tests.realtime.test_stalled_crowd import stalled
from tests.support.chat_client import ChatClient, create_room, sign_up

# Messages of 10 kB: far below the bound in bytes, and far above the kernels' buffers.
WAITING = 60
A_SECOND = 5_000


@pytest.mark.once
async def test_only_a_stalled_reader_is_closed(start_server: StartServer) -> None:
    """A link of 5 kB/s: the peer acknowledges some bytes all the time.

    The kernel takes more from the server only rarely.
    """
    server = start_server(LIMIT_MESSAGES_PER_S="0", WEB_CONCURRENCY="1")
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.join(room)
        stuck, slow = [await asyncio.to_thread(stalled, server, bob, room, 1) for _ in range(2)]
        slow.setblocking(False)
        for number in range(WAITING):
            await chat.send(room, f"{number}".ljust(9_900, "y"))
        async with asyncio.timeout(60):
            while not await too_slow(server):
                read(slow)
                await asyncio.sleep(0.1)
        for _ in range(30):
            assert read(slow) != b"", "the slow reader was closed, too"
            await asyncio.sleep(0.1)
        assert await too_slow(server) == 1
        stuck.close()
        slow.close()


def read(socket: sockets.socket) -> bytes | None:
    """Return some of the received bytes.

    None when nothing came, b"" when it was closed.
    """
    with suppress(BlockingIOError):
        return socket.recv(A_SECOND // 10)
    return None


@pytest.mark.once
async def test_stalled_reader_does_not_delay_a_drain(start_server: StartServer) -> None:
    server = start_server(LIMIT_MESSAGES_PER_S="0", DRAIN_SECONDS="200")
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.join(room)
        stuck = await asyncio.to_thread(stalled, server, bob, room, 1)
        for number in range(WAITING):
            await chat.send(room, f"{number}".ljust(9_900, "y"))
        # Its requests may take 60 s of these, twice the wait here.
        assert await asyncio.to_thread(server.stop) == 0
    assert "Traceback" not in server.log
    stuck.close()
