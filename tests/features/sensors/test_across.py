"""Sensors on two processes: no acknowledged reading is lost.

The shown values are right again when Redis or a process is back.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, suppress

import httpx
import pytest

from core.errors import Close
from tests.features.sensors.test_devices import account_of, device_in
from tests.features.sensors.test_sensors import live, push
from tests.realtime.across.conftest import Circle, Pair, circle_of, start_pair
from tests.realtime.across.test_live import RIGHT_WITHIN_S
from tests.support.api import with_token
from tests.support.chat_client import ChatClient, Closed
from tests.support.profile import Profile

# The sockets of a revoked device are closed by then, also without Redis.
REVOKED_WITHIN_S = 5.0


@pytest.fixture(scope="module")
def pair(profile: Profile) -> Iterator[Pair]:
    with ExitStack() as exits:
        yield start_pair(profile, exits)


@pytest.fixture
async def circle(pair: Pair) -> AsyncIterator[Circle]:
    async with AsyncExitStack() as exits:
        yield await circle_of(pair, exits)


async def history(circle: Circle) -> list[float]:
    """The values of t1, as the second process reads them."""
    async with with_token(circle.pair.two.base_url, circle.ada) as http:
        answer = await http.get(f"/api/rooms/{circle.room}/sensors/t1/series", params={"points": 2000})
        return [one["value"] for one in answer.json()["points"]]


async def until_shown(chat: ChatClient, value: float) -> None:
    async with asyncio.timeout(RIGHT_WITHIN_S):
        while await live(chat) != ("t1", value):
            continue


async def test_killed_process_loses_no_acknowledged_reading(circle: Circle, pair: Pair) -> None:
    mine, theirs = await circle.here(), await circle.there()
    acknowledged: list[float] = []

    async def push_until_cut() -> None:
        with suppress(Closed, ConnectionError, TimeoutError):
            while True:
                value = float(len(acknowledged) + 1)
                await push(mine, circle.room, ("t1", value))
                acknowledged.append(value)

    pushing = asyncio.create_task(push_until_cut())
    async with asyncio.timeout(10):  # not each value is shown: at most ten a second
        while (await live(theirs))[1] < 3:
            continue
    pair.one.kill()
    await pushing
    kept = await history(circle)
    assert kept[: len(acknowledged)] == acknowledged
    assert len(kept) <= len(acknowledged) + 1, "at most the reading whose answer was lost"
    also = await circle.connect(pair.two, circle.ada)
    await push(also, circle.room, ("t1", 1_000))
    await until_shown(theirs, 1_000)
    pair.one.start()
    late = await circle.here()
    assert await live(late) == ("t1", 1_000)


async def test_values_cross_again_after_redis_was_away(circle: Circle, pair: Pair) -> None:
    mine, theirs = await circle.here(), await circle.there()
    await push(mine, circle.room, ("t1", 1))
    await until_shown(theirs, 1)
    pair.redis.kill()
    assert await push(mine, circle.room, ("t1", 2)) == 1
    await until_shown(mine, 2)
    pair.redis.start()
    await until_shown(theirs, 2)
    assert await history(circle) == [1, 2]
    late = await circle.there()
    assert await live(late) == ("t1", 2)


async def test_device_is_revoked_without_redis(circle: Circle, pair: Pair) -> None:
    async with with_token(pair.two.base_url, circle.ada) as http:
        device = await device_in(http, circle.room)
        async with ChatClient(pair.one.ws_url(), account_of(device)) as chat:
            assert await push(chat, circle.room, ("t1", 1)) == 1
            pair.redis.stop()
            try:
                answer = await http.delete(f"/api/rooms/{circle.room}/devices/{device['id']}")
                assert answer.status_code == httpx.codes.NO_CONTENT
                await chat.expect_close(Close.REVOKED, timeout=REVOKED_WITHIN_S)
            finally:
                pair.redis.start()


async def test_alarm_is_posted_once_by_two_processes(circle: Circle, pair: Pair) -> None:
    """Both processes see the same sensor cross its threshold.

    The message's key lets one of them in.
    """
    here = await circle.here()
    there = await circle.connect(pair.two, circle.ada)
    await push(here, circle.room, ("t1", 20))
    async with with_token(pair.one.base_url, circle.ada) as http:
        answer = await http.put(f"/api/rooms/{circle.room}/sensors/t1/alarm", json={"above": 30})
        assert answer.status_code == httpx.codes.OK
    await asyncio.sleep(2.5)  # each process reads the alarms every two seconds
    now = time.time()
    at = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - age)) for age in (2, 1)]
    await asyncio.gather(push(here, circle.room, ("t1", 31, at[0])), push(there, circle.room, ("t1", 31, at[1])))
    assert (await here.expect("message"))["text"] == "⚠️ t1 is 31, above 30."
    await here.expect_nothing("message", seconds=1)
