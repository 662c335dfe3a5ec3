"""The client records broken promises and reconnects correctly.

A real server misbehaves once for each.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import time
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.chaos.client import Client

Frame = dict[str, Any]
HELLO = {"type": "hello", "protocol": 1, "user": {"id": 7, "name": "ada"}, "heartbeat": 20, "limits": {}}


def event(seq: int) -> Frame:
    return {"type": "message", "room": "r", "seq": seq, "from": {"id": 7, "name": "ada"}, "text": f"text {seq}"}


def page(head: int, *seqs: int, more: bool = False) -> Frame:
    return {
        "type": "room.joined",
        "room": "r",
        "head": head,
        "events": [event(seq) for seq in seqs],
        "more": more,
        "online_count": 1,
    }


def sent(seq: int) -> Frame:
    return {"type": "message.sent", "room": "r", "seq": seq, "at": "", "duplicate": False}


def error(code: str) -> Frame:
    return {"type": "error", "code": code, "message": code}


@asynccontextmanager
async def client_of(*answers: list[Frame | str]) -> AsyncIterator[tuple[Client, list[Frame]]]:
    """A client and the server's received frames.

    The n-th frame gets the n-th list as its answer.
    """
    got: list[Frame] = []
    rounds = iter(answers)

    async def one(socket: ServerConnection) -> None:
        await socket.send(json.dumps(HELLO))
        async for data in socket:
            asked = json.loads(data)
            got.append(asked)
            for frame in next(rounds, []):
                if isinstance(frame, str):
                    await socket.close(int(frame))
                    return
                replies = {"room.joined", "message.sent", "error"}
                await socket.send(json.dumps(frame | ({"re": asked["id"]} if frame["type"] in replies else {})))

    async with serve(one, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        client = Client(f"ws://127.0.0.1:{port}/", "token", ["r"], name="c", chance=random.Random(1))
        task = asyncio.create_task(client.run())
        try:
            yield client, got
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


@pytest.mark.parametrize(
    ("frames", "found"),
    [
        ([page(1, 1), event(3)], "gap: 3 of r after 1 (push)"),
        ([page(2, 1, 2), event(2)], "doubled or out of order: 2 of r after 2 (push)"),
        ([page(2, 1, 2), event(3), event(1)], "doubled or out of order: 1 of r after 3 (push)"),
        ([event(1), page(1)], "1 of r was pushed, which is not live"),
        ([page(0), {"type": "gap", "room": "r", "head": 0}, event(1)], "1 of r was pushed, which is not live"),
        ([page(3, 1, 3)], "gap: 3 of r after 1 (page)"),
        ([page(3, 1, 2)], "last page of r ends at 2, its head is 3"),
        ([error("not_a_member")], "joining r was refused"),
        ([page(0), {"type": "surprise"}], "an unrequested frame"),
    ],
)
async def test_broken_promise_is_recorded(frames: list[Frame | str], found: str) -> None:
    async with client_of(frames) as (client, _):
        await until(lambda: bool(client.broken))
        assert found in client.broken[0]


async def test_client_reads_all_pages_and_pushed_events() -> None:
    async with client_of([page(3, 1, 2, more=True)], [page(3, 3), event(4)]) as (client, got):
        await until(lambda: client.holds({"r": 4}))
        assert [receipt.seq for receipt in client.sight().views["r"]] == [1, 2, 3, 4]
        assert [frame["after"] for frame in got] == [0, 2]
        assert client.broken == []


@pytest.mark.parametrize("code", ["1012", "4008"])
async def test_client_resumes_after_its_last_event(code: str) -> None:
    async with client_of([page(2, 1, 2), code], [page(3, 3)]) as (client, got):
        await until(lambda: client.holds({"r": 3}))
        assert got[1]["after"] == 2
        assert [life.code for life in client.lives] == [int(code), None]
        assert client.broken == []


async def test_client_tracks_the_number_online() -> None:
    async with client_of([page(0), {"type": "presence", "room": "r", "online_count": 3}]) as (client, _):
        await until(lambda: client.rooms["r"].online == 3)
        assert client.broken == []


async def test_client_reads_pages_over_a_gap() -> None:
    async with client_of([page(1, 1), {"type": "gap", "room": "r", "head": 3}], [page(3, 2, 3)]) as (client, _):
        await until(lambda: client.holds({"r": 3}))
        assert len(client.lives) == 1
        assert client.broken == []


async def test_client_leaves_a_draining_server() -> None:
    async with client_of([page(0), {"type": "drain", "after_ms": 10}], [page(0)]) as (client, _):
        await until(lambda: len(client.lives) == 2)
        assert client.lives[0].code == 1000


async def test_client_leaves_a_silent_server() -> None:
    async with client_of([page(0)], [], [page(0)]) as (client, got):
        await until(lambda: client.online)
        client.tick(time() + 21)
        await until(lambda: got[-1]["type"] == "ping")
        client.tick(time() + 51)
        await until(lambda: len(client.lives) == 2)


@pytest.mark.parametrize("outcome", [error("unavailable"), "1012"])
async def test_message_is_repeated_with_its_key_until_acknowledged(outcome: Frame | str) -> None:
    answers: list[list[Frame | str]] = [[page(0)], [outcome], [sent(1)]]
    if outcome == "1012":
        answers.insert(2, [page(0)])
    async with client_of(*answers) as (client, got):
        await until(lambda: client.online)
        client.outbox.write("r")
        await until(lambda: bool(client.outbox.acks))
        keys = [frame["key"] for frame in got if frame["type"] == "message.send"]
        assert keys == ["c-1", "c-1"]
        assert [(ack.key, ack.author, ack.seq) for ack in client.outbox.acks] == [("c-1", 7, 1)]
        assert client.outbox.pending == []
        assert client.broken == []


async def test_refused_message_is_recorded() -> None:
    async with client_of([page(0)], [error("forbidden")]) as (client, _):
        await until(lambda: client.online)
        client.outbox.write("r")
        await until(lambda: bool(client.broken))
        assert "message.send was refused" in client.broken[0]
