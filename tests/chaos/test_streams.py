"""Clients with a stream keep the ledger of a socket's, against a real server."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import time

import pytest

from tests.chaos.client import Client
from tests.chaos.crowd import CLIENTS_A_STREAM, Crowd, Size
from tests.chaos.stream_connection import FRAMES, StreamConnection
from tests.chaos.test_client import until
from tests.support.chat_client import Account
from tests.support.server import Server


@asynccontextmanager
async def running(server: Server, account: Account, room: str, *, streams: bool) -> AsyncIterator[Client]:
    """A client that is live in the room."""
    url = f"{server.base_url.replace('http', 'ws', 1)}/ws/"
    client = Client(url, account.token, [room], name=account.name, chance=random.Random(1), streams=streams)
    task = asyncio.create_task(client.run())
    try:
        await until(lambda: client.online)
        yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_stream_and_socket_receive_the_same_events(server: Server, ada: Account, bob: Account, room: str) -> None:
    async with (
        running(server, ada, room, streams=True) as stream,
        running(server, bob, room, streams=False) as socket,
    ):
        for client in (stream, socket):
            client.outbox.write(room)
        await until(lambda: stream.holds({room: 2}) and socket.holds({room: 2}))
        await until(lambda: not stream.outbox.pending)
        heard, seen = ([receipt.text for receipt in client.sight().views[room]] for client in (stream, socket))
        assert heard == seen
        assert stream.broken == socket.broken == []


async def test_cut_stream_resumes_each_event_once(server: Server, ada: Account, bob: Account, room: str) -> None:
    async with (
        running(server, ada, room, streams=True) as stream,
        running(server, bob, room, streams=False) as socket,
    ):
        socket.outbox.write(room)
        await until(lambda: stream.holds({room: 1}))
        stream.cut()
        stream.outbox.write(room)  # into the dead stream: repeated with its key
        socket.outbox.write(room)
        await until(lambda: len(stream.lives) == 2 and stream.holds({room: 3}) and not stream.outbox.pending)
        assert [receipt.seq for receipt in stream.sight().views[room]] == [1, 2, 3]
        assert [life.code for life in stream.lives] == [1006, None]
        assert stream.broken == []


async def test_more_frames_than_one_request_takes_are_all_answered(server: Server, ada: Account, room: str) -> None:
    async with running(server, ada, room, streams=True) as client:
        assert isinstance(client._socket, StreamConnection)
        for _ in range(3 * FRAMES):
            await client._socket.send('{"type": "ping"}')
        client.outbox.write(room)
        await until(lambda: client.holds({room: 1}) and not client.outbox.pending)
        assert (len(client.lives), client.broken) == (1, [])


async def test_silent_stream_is_pinged_and_left(server: Server, ada: Account, room: str) -> None:
    async with running(server, ada, room, streams=True) as client:
        heard_at = client._heard_at
        client.tick(time() + 21)
        await until(lambda: client._heard_at > heard_at)  # a pong
        client.tick(time() + 51)
        await until(lambda: len(client.lives) == 2 and client.online)


async def test_refused_stream_is_a_failed_attempt(server: Server, room: str) -> None:
    url = f"{server.base_url.replace('http', 'ws', 1)}/ws/"
    client = Client(url, "no token", [room], name="c", chance=random.Random(1), streams=True)
    assert await client._open() is None
    assert client.failed == {"HTTP 401": 1}


@pytest.mark.parametrize(("clients", "rooms"), [(40, 8), (200, 20)])
def test_share_of_a_crowd_has_streams_and_writes(clients: int, rooms: int) -> None:
    """The sizes of the test and of `make chaos`."""
    crowd = Crowd("http://nowhere", ["token"] * clients, Size(clients, rooms), prefix="r", chance=random.Random(0))
    streams = [client for client in crowd.clients if client.streams]
    assert len(streams) == clients / CLIENTS_A_STREAM
    assert len({room for client in streams for room in client.rooms}) > rooms / 2
    assert any(client.streams for number in range(rooms) for client in crowd.writers_of(number))
