"""An outage of Postgres: a clear error, no double, no restart needed."""

import asyncio
import time
from collections.abc import Awaitable
from secrets import token_hex

import httpx
import psycopg
import pytest

from tests.realtime.across.conftest import Circle, Pair
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import ChatClient, Frame, Refused
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server

# Independent of the outage's length: no back-off may have grown.
BACK_WITHIN_S = 7.0


async def ready(pair: Pair) -> None:
    deadline = time.monotonic() + BACK_WITHIN_S
    while not all([await whole(server) for server in (pair.one, pair.two)]):
        assert time.monotonic() < deadline, "not ready again in time"
        await asyncio.sleep(0.1)


async def whole(server: Server) -> bool:
    """Return whether the server is ready and reaches its database.

    Redis always runs here.
    """
    async with httpx.AsyncClient(timeout=12) as http:
        answer = await http.get(f"{server.base_url}/readyz")
    return answer.status_code == 200 and "database" not in answer.json()["degraded"]


async def sent_again(chat: ChatClient, room: str, key: str) -> Frame:
    """Send a key like a client: again while the answer is `unavailable`."""
    deadline = time.monotonic() + BACK_WITHIN_S
    while True:
        try:
            return await chat.send(room, "meanwhile", key=key)
        except Refused as refused:
            if refused.code != "unavailable" or time.monotonic() > deadline:
                raise


async def unavailable(request: Awaitable[Frame]) -> None:
    started = time.monotonic()
    with pytest.raises(Refused) as error:
        await request
    assert error.value.code == "unavailable"
    assert time.monotonic() - started < 12  # two requests on one socket wait for each other, 5 s each


async def probes(pair: Pair) -> None:
    async with httpx.AsyncClient(base_url=pair.one.base_url, timeout=12) as http:
        started = time.monotonic()
        assert (await http.get("/healthz")).status_code == 200
        assert time.monotonic() - started < 1
        answer = await http.get("/readyz")
        assert answer.status_code == 200, "all replicas would leave the load balancer together"
        assert answer.json() == {
            "ready": True,
            "checks": {"draining": "ok", "database": "failing", "migrations": "ok"},
            "degraded": ["database"],
        }


async def api(pair: Pair, circle: Circle) -> None:
    async with with_token(pair.one.base_url, circle.ada) as http:
        answer = await http.get("/api/rooms")
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def handshake(pair: Pair, circle: Circle) -> None:
    async with PlainSocket(pair.two.ws_url(), headers=circle.bob.headers) as socket:
        await socket.expect_close(1012, timeout=10)


@pytest.mark.drill
@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_outage_of_the_database_ends_without_a_restart(fragile_circle: Circle, how: str) -> None:
    circle, pair = fragile_circle, fragile_circle.pair
    postgres = pair.postgres
    assert postgres is not None
    here, there = await circle.here(), await circle.there()
    await here.send(circle.room, "before")
    if how == "stopped":
        await asyncio.to_thread(postgres.stop)
    else:
        postgres.freeze()
    try:
        started = time.monotonic()
        await asyncio.gather(
            unavailable(here.request("message.send", room=circle.room, key="kept", text="meanwhile", timeout=8)),
            unavailable(there.request("room.join", room=circle.room, after=0, timeout=8)),
            unavailable(there.request("history", room=circle.room, before=9, timeout=12)),
            probes(pair),
            api(pair, circle),
            handshake(pair, circle),
        )
        assert time.monotonic() - started < 12
        assert (await here.request("ping"))["type"] == "pong"
    finally:
        if how == "stopped":
            await asyncio.to_thread(postgres.start)
        else:
            postgres.thaw()
    sent = await sent_again(here, circle.room, "kept")
    await ready(pair)
    again = await here.send(circle.room, "meanwhile", key="kept")
    assert (again["seq"], again["duplicate"]) == (sent["seq"], True)
    page = await there.join(circle.room, after=0)
    assert [event["text"] for event in page["events"]] == ["before", "meanwhile"]
    sent = await there.send(circle.room, "after")
    await here.expect("message", seq=sent["seq"])
    await there.expect("message", seq=sent["seq"])


@pytest.mark.drill
async def test_broken_connections_store_each_key_once(fragile_circle: Circle) -> None:
    circle, postgres = fragile_circle, fragile_circle.pair.postgres
    assert postgres is not None
    here, there = await circle.here(), await circle.there()
    stored: dict[str, int] = {}
    answers: set[str] = set()

    async def send(key: str) -> None:
        while key not in stored:
            try:
                stored[key] = (await here.send(circle.room, key, key=key))["seq"]
            except Refused as refused:
                answers.add(refused.code)
                await asyncio.sleep(0.2)

    sending = [asyncio.create_task(send(f"key-{number}")) for number in range(100)]
    for _ in range(3):
        await asyncio.sleep(0.05)
        await asyncio.to_thread(_terminate_all, postgres.url())
    await asyncio.wait_for(asyncio.gather(*sending), 30)
    assert answers <= {"unavailable"}
    assert sorted(stored.values()) == list(range(1, 101))
    for seq in range(1, 101):
        await there.expect("message", seq=seq)


@pytest.mark.drill
async def test_promoted_standby_that_was_behind_serves(fragile_circle: Circle) -> None:
    """Messages it lacks are lost, and clients hear of it.

    New messages reuse the lost seqs and reach all.
    """
    circle, pair = fragile_circle, fragile_circle.pair
    async with (
        PlainSocket(pair.one.ws_url(), headers=circle.ada.headers) as here,
        PlainSocket(pair.two.ws_url(), headers=circle.bob.headers) as there,
    ):
        for chat in (here, there):
            await chat.send_json({"type": "room.join", "room": circle.room})
            await chat.receive_type("room.joined")
        for text in ("kept", "lost", "lost"):
            await here.send_json({"type": "message.send", "room": circle.room, "key": token_hex(8), "text": text})
        for chat in (here, there):
            assert [(await chat.receive_type("message"))["seq"] for _ in range(3)] == [1, 2, 3]
        await asyncio.to_thread(_forget_above, pair.one.env["DATABASE_URL"], circle.room, 1)
        for chat in (here, there):
            assert (await chat.receive_type("gap"))["head"] == 1
            await chat.send_json({"type": "room.join", "room": circle.room, "after": 3})
            page = await chat.receive_type("room.joined")
            assert (page["head"], page["events"], page["more"]) == (1, [], False)
        await here.send_json({"type": "message.send", "room": circle.room, "key": token_hex(8), "text": "next"})
        for chat in (here, there):
            event = await chat.receive_type("message")
            assert (event["seq"], event["text"]) == (2, "next")


def _forget_above(url: str, room: str, seq: int) -> None:
    with psycopg.connect(url, connect_timeout=5) as connection:
        connection.execute(
            "DELETE FROM chat_event WHERE seq > %s AND room_id = (SELECT id FROM rooms_room WHERE slug = %s)", [seq, room]
        )
        connection.execute("UPDATE rooms_room SET head = %s WHERE slug = %s", [seq, room])


def _terminate_all(url: str) -> None:
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        where = "pid <> pg_backend_pid() AND datname LIKE 'hubbub%'"
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {where}")
