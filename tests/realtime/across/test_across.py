"""Two processes: events of one reach the other, also after Redis faults."""

import asyncio
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.realtime.across.conftest import Circle, Pair, healthy
from tests.support.api import anonymous, session_cookie, signed_in, with_token
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.plain_socket import PlainSocket

# Promise 4: a live socket gets every committed event within that time, despite any fault.
BY_POLL_S = 5.0


async def heard(chat: ChatClient, circle: Circle, seq: int, *, within: float = BY_POLL_S) -> float:
    """Wait for a message; return the seconds."""
    started = time.monotonic()
    await chat.expect("message", room=circle.room, seq=seq, timeout=within)
    return time.monotonic() - started


async def test_message_reaches_the_other_process_at_once(circle: Circle) -> None:
    here, there = await circle.here(), await circle.there()
    slowest = 0.0
    for number in range(40):
        sender, other = (here, there) if number % 2 else (there, here)
        sent = await sender.send(circle.room, str(number))
        slowest = max(slowest, await heard(other, circle, sent["seq"]))
    assert slowest < 1.5, "the poll was quicker than the layer"


async def test_two_floods_have_one_order(circle: Circle) -> None:
    chats = [await circle.here(), await circle.there(), await circle.here(), await circle.there()]

    async def flood(chat: ChatClient) -> None:
        for _ in range(100):
            await chat.send(circle.room, "x")

    await asyncio.gather(*map(flood, chats))
    for chat in chats:
        for seq in range(1, 401):
            await heard(chat, circle, seq)


async def test_signals_and_unread_reach_the_other_process(circle: Circle) -> None:
    here, there, away = await circle.here(), await circle.there(), await circle.there(join=False)
    await here.push("typing", room=circle.room)
    assert (await there.expect("typing"))["user"]["id"] == circle.ada.id
    await here.send(circle.room, "x")
    assert (await away.expect("unread", room=circle.room))["head"] == 1
    await there.request("read", room=circle.room, upto=1)
    assert (await here.expect("read"))["upto"] == 1
    sent = await here.send_to(circle.bob.id, "psst")
    assert (await away.expect("unread", room=sent["room"]))["head"] == 1


async def test_access_ends_on_every_process(circle: Circle) -> None:
    pair = circle.pair
    async with anonymous(pair.one.base_url) as http:
        page = await signed_in(http, circle.ada)
        async with PlainSocket(pair.two.ws_url(), headers=session_cookie(page)) as socket:
            await socket.receive_type("hello")
            assert (await page.delete("/api/session")).status_code == 204
            await socket.expect_close(4010)
    there = await circle.there()
    async with with_token(pair.one.base_url, circle.ada) as owner:
        assert (await owner.delete(f"/api/rooms/{circle.room}/members/{circle.bob.id}")).status_code == 204
    await there.expect_error("not_a_member")


async def test_access_ends_without_redis(circle: Circle, no_redis: None) -> None:
    pair = circle.pair
    async with anonymous(pair.one.base_url) as http:
        page = await signed_in(http, circle.ada)
        async with PlainSocket(pair.two.ws_url(), headers=session_cookie(page)) as socket:
            await socket.receive_type("hello", timeout=10)
            assert (await page.delete("/api/session")).status_code == 204
            await socket.expect_close(4010, timeout=8)


@pytest.fixture
def no_redis(pair: Pair) -> Iterator[None]:
    """Redis is stopped for the test, and comes back empty."""
    pair.redis.stop()
    yield
    pair.redis.start()


@pytest.mark.drill
@pytest.mark.parametrize("kind", ["pubsub", "normal"])
async def test_cut_connections_during_a_flood_lose_nothing(circle: Circle, kind: str) -> None:
    here, there = await circle.here(), await circle.there()
    with circle.pair.redis.client() as redis:
        for number in range(1, 121):
            await here.send(circle.room, "x")
            if number % 30 == 0:
                redis.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    started = time.monotonic()
    for seq in range(1, 121):
        await heard(there, circle, seq)
    assert time.monotonic() - started < BY_POLL_S
    await healthy(circle.pair)


@pytest.mark.drill
async def test_flushed_redis_loses_nothing(circle: Circle) -> None:
    here, there = await circle.here(), await circle.there()
    with circle.pair.redis.client() as redis:
        redis.flushall()
    sent = await here.send(circle.room, "still there?")
    await heard(there, circle, sent["seq"])
    eve = await circle.connect(circle.pair.one, await sign_up(circle.pair.one.base_url))
    page = await eve.join(circle.room)
    while page["online_count"] != 3:  # presence is not stored in Redis: it is complete again soon
        page = await eve.expect("presence", room=circle.room)


@pytest.mark.drill
async def test_processes_work_without_redis(circle: Circle) -> None:
    here, there = await circle.here(), await circle.there()
    beside = await circle.connect(circle.pair.one, circle.bob)
    circle.pair.redis.stop()
    try:
        for number in range(1, 4):
            sent = await here.send(circle.room, str(number))
            assert await heard(beside, circle, sent["seq"]) < 1, "nothing inside a process needs Redis"
            await heard(there, circle, sent["seq"])
        late = await circle.connect(circle.pair.two, circle.ada, join=False)
        assert len(await late.catch_up(circle.room, after=0)) == 3
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"{circle.pair.one.base_url}/readyz")
            assert (answer.status_code, answer.json()["degraded"]) == (200, ["layer"])
    finally:
        circle.pair.redis.start()
    await healthy(circle.pair)
    for sender, other in ((here, there), (there, here)):
        sent = await sender.send(circle.room, "it is back")
        assert await heard(other, circle, sent["seq"]) < 1.5


@pytest.mark.drill
async def test_a_frozen_redis_delays_no_reply(circle: Circle) -> None:
    """The worst kind of outage: connections stay open without answers."""
    here, there = await circle.here(), await circle.there()
    circle.pair.redis.freeze()
    try:
        for _ in range(3):
            started = time.monotonic()
            sent = await here.send(circle.room, "x")
            assert time.monotonic() - started < 1
            await heard(there, circle, sent["seq"])
    finally:
        circle.pair.redis.thaw()
    await healthy(circle.pair)


async def test_frozen_redis_does_not_delay_handshakes(circle: Circle) -> None:
    rooms = [await create_room(circle.pair.one.base_url, circle.ada) for _ in range(20)]
    circle.pair.redis.freeze()
    try:
        started = time.monotonic()
        here = await circle.connect(circle.pair.one, circle.ada, join=False)
        for room in rooms[:5]:
            await here.join(room)
        assert time.monotonic() - started < 8, "each wait for the layer is short, and stops after the first failure"
    finally:
        circle.pair.redis.thaw()
    await healthy(circle.pair)


@pytest.mark.drill
async def test_death_of_a_process_loses_no_event(circle: Circle) -> None:
    """The other process reads its commits; its users reconnect there and miss nothing."""
    pair = circle.pair
    here, there = await circle.here(), await circle.there()
    keys = [f"key-{number}" for number in range(60)]
    sending = [asyncio.create_task(here.send(circle.room, "x", key=key)) for key in keys]
    await asyncio.sleep(0.02)
    pair.one.kill()
    await asyncio.gather(*sending, return_exceptions=True)
    try:
        async with ChatClient(pair.two.ws_url(), circle.ada) as again:
            for key in keys:
                await again.send(circle.room, "x", key=key)
            head = (await again.join(circle.room))["head"]
            assert head == len(keys), "a key was stored twice"
            for seq in range(1, head + 1):
                await heard(there, circle, seq)
        # Ada has left the living process; her entry of the dead one expires.
        await online_within(there, circle, 1, 45)
    finally:
        pair.one.start()
    await healthy(pair)


async def online_within(chat: ChatClient, circle: Circle, number: int, seconds: float) -> None:
    """Wait until so many are online: the entries of a dead process expire."""
    deadline = time.monotonic() + seconds
    while (await chat.join(circle.room))["online_count"] != number:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.5)
