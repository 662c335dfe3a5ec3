"""Live values over two processes on a real Redis.

The tests cover ends, restarts of a process and outages of Redis.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest

from tests.realtime.across.conftest import Circle, Pair, circle_of, start_pair
from tests.support.chat_client import ChatClient, sign_up
from tests.support.profile import Profile
from tests.support.samples import SAMPLES

RIGHT_WITHIN_S = 3.0


@pytest.fixture(scope="module")
def sampled(profile: Profile) -> Iterator[Pair]:
    """Two processes whose workers and Redis may be killed."""
    with ExitStack() as exits:
        yield start_pair(profile, exits, extra=SAMPLES)


@pytest.fixture
async def circle(sampled: Pair) -> AsyncIterator[Circle]:
    async with AsyncExitStack() as exits:
        yield await circle_of(sampled, exits)


async def put(chat: ChatClient, circle: Circle, value: Any) -> None:
    await chat.request("position.put", room=circle.room, key="a", value=value)


async def sees(chat: ChatClient, value: Any, *, within: float = 5.0) -> None:
    """Read `live` frames until the key has the value."""
    async with asyncio.timeout(within):
        while all(one["value"] != value for one in (await chat.expect("live", timeout=within))["values"]):
            pass


async def later(circle: Circle) -> list[ChatClient]:
    """Somebody who joins later, on each process."""
    eve = await sign_up(circle.pair.one.base_url)
    return [await circle.connect(server, eve) for server in (circle.pair.one, circle.pair.two)]


def stored(circle: Circle) -> list[Any]:
    """Return the values in Redis, of all rooms."""
    client: Any = circle.pair.redis.client()
    names = [name for name in client.keys("hubbub:*") if b":live:" in name]
    return [json.loads(text)[1][2] for name in names for text in client.zrange(name, 0, -1)]


async def killed_worker(pair: Pair) -> None:
    """Kill the second process's worker, and wait until its successor serves."""
    (worker,) = set(pair.two.process.members()) - {pair.two.process.pid}
    os.kill(worker, signal.SIGKILL)
    begun = time.monotonic()
    while set(pair.two.process.members()) - {pair.two.process.pid} in (set(), {worker}) or not pair.two.ready():
        assert time.monotonic() - begun < 20
        await asyncio.sleep(0.1)


async def test_newest_value_reaches_both_processes_and_later_ones(circle: Circle) -> None:
    here, there = await circle.here(), await circle.there()
    for number in range(5):
        await put(there, circle, number)
    await sees(here, 4)
    await put(here, circle, "moved")
    await sees(there, "moved")
    for late in await later(circle):
        await sees(late, "moved")


async def test_room_opened_later_reads_what_is_kept(circle: Circle) -> None:
    await put(await circle.there(), circle, 1)
    for late in await later(circle):
        await sees(late, 1)


async def test_value_outlives_the_process_that_it_came_to(circle: Circle) -> None:
    await put(await circle.there(), circle, 1)
    await asyncio.sleep(1)
    await killed_worker(circle.pair)
    for late in await later(circle):
        await sees(late, 1)


async def test_end_on_another_process_empties_every_store(circle: Circle) -> None:
    circle.pair.redis.client().flushall()
    here, there = await circle.here(), await circle.there()
    await put(there, circle, 1)
    await sees(here, 1)
    await here.request("position.end", room=circle.room, key="a")
    for chat in (here, there):
        await sees(chat, None)
    begun = time.monotonic()
    while any(value is not None for value in stored(circle)):
        assert time.monotonic() - begun < RIGHT_WITHIN_S, stored(circle)
        await asyncio.sleep(0.05)
    for late in await later(circle):
        await late.expect_nothing("live")


async def test_end_removes_the_value_of_a_dead_process(circle: Circle) -> None:
    circle.pair.redis.client().flushall()
    here = await circle.here()
    await put(await circle.there(), circle, 1)
    await sees(here, 1)
    await killed_worker(circle.pair)
    await here.request("position.end", room=circle.room, key="a")
    begun = time.monotonic()
    while stored(circle) != [None]:
        assert time.monotonic() - begun < RIGHT_WITHIN_S, stored(circle)
        await asyncio.sleep(0.05)
    for late in await later(circle):
        await late.expect_nothing("live")


@pytest.mark.drill
async def test_restarted_redis_is_right_again_in_3_s(circle: Circle) -> None:
    """Redis comes back empty after values have changed.

    Meanwhile one value moved, and another process ended its own.
    """
    here, there = await circle.here(), await circle.there()
    await put(there, circle, "before")
    await here.request("position.put", room=circle.room, key="b", value="ends")
    await sees(here, "before")
    await sees(there, "ends")
    circle.pair.redis.kill()
    await asyncio.sleep(6)  # longer than the layer keeps messages
    await put(there, circle, "meanwhile")
    await there.request("position.end", room=circle.room, key="b")
    await asyncio.to_thread(circle.pair.redis.start)
    await sees(here, "meanwhile", within=RIGHT_WITHIN_S)
    late = await later(circle)
    for chat in late:
        await sees(chat, "meanwhile")
    assert all(one["value"] != "ends" for chat in late for frame in chat.pending_frames("live") for one in frame["values"])


async def test_value_of_a_dead_process_survives_a_redis_restart(circle: Circle) -> None:
    """A process that has heard of it stores it again."""
    here = await circle.here()
    await put(await circle.there(), circle, 1)
    await sees(here, 1)
    await killed_worker(circle.pair)
    circle.pair.redis.kill()
    await asyncio.to_thread(circle.pair.redis.start)
    await asyncio.sleep(RIGHT_WITHIN_S)
    for late in await later(circle):
        await sees(late, 1)


async def test_last_value_is_stored_by_a_process_that_drains(circle: Circle) -> None:
    there = await circle.there()
    for number in range(3):
        await put(there, circle, number)  # two of them wait for their time
    await asyncio.to_thread(circle.pair.two.stop)
    try:
        eve = await sign_up(circle.pair.one.base_url)
        await sees(await circle.connect(circle.pair.one, eve), 2)
    finally:
        await asyncio.to_thread(circle.pair.two.start)
