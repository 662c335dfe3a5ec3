"""The hub's own limit of handshakes, for clients that bypass nginx.

Refused handshakes wait.
"""

import asyncio
from contextlib import suppress

import pytest
from pytest_django.fixtures import Settings
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from realtime import consumer, hub
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


def refused_handshake(address: str) -> asyncio.Task[None]:
    """Begin a handshake at a path where nothing is served."""

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(_: dict[str, object]) -> None:
        pass

    return asyncio.create_task(consumer.consume({"path": "/nothing", "client": (address, 1)}, receive, send))


async def waiting(handshakes: list[asyncio.Task[None]]) -> int:
    """Return how many still wait when all that do not wait are done."""
    for _ in range(10):
        await asyncio.sleep(0)
    return sum(not handshake.done() for handshake in handshakes)


async def test_refused_handshakes_of_a_network_wait(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of them would otherwise take the worker's whole core."""
    settings.LIMIT_CALLS_PER_S = 2  # a refusal counts twice
    monkeypatch.setattr(hub, "current", lambda: None)  # no refusal for the path asks it
    calls = [refused_handshake("203.0.113.9") for _ in range(5)]
    assert await waiting(calls) == 3
    assert await waiting([refused_handshake("203.0.113.8"), refused_handshake("2001:db8::1")]) == 0
    await asyncio.wait_for(asyncio.gather(*calls), 3)
