"""`notify` and claims on two processes, which share claims.

A killed process or a restarted Redis loses nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest

from tests.realtime.across.conftest import Circle, Pair, circle_of, start_pair
from tests.support.api import with_token
from tests.support.profile import Profile

WITHIN_S = 5.0
GIVE_UP_S = 15.0


@pytest.fixture
def pair(profile: Profile) -> Iterator[Pair]:
    with ExitStack() as exits:
        yield start_pair(profile, exits)


@pytest.fixture
async def circle(pair: Pair) -> AsyncIterator[Circle]:
    async with AsyncExitStack() as exits:
        yield await circle_of(pair, exits)


async def test_both_processes_tell_and_share_claims_and_settings(circle: Circle) -> None:
    here, there = await circle.here(), await circle.there()
    elsewhere = await circle.connect(circle.pair.one, circle.bob, join=False)
    sent = await here.send_to(circle.bob.id, "hello")
    for chat in (there, elsewhere):
        await chat.expect("notify", room=sent["room"], target=sent["seq"], reason="direct")
    claims = await asyncio.gather(
        *(chat.request("notify.claim", room=sent["room"], target=sent["seq"]) for chat in (there, elsewhere))
    )
    assert sorted(reply["first"] for reply in claims) == [False, True]
    async with with_token(circle.pair.one.base_url, circle.bob) as http:
        assert (await http.put(f"/api/notifications/rooms/{circle.room}", json={"level": "all"})).is_success
    for chat in (there, elsewhere):
        await chat.expect("notifications", rooms={circle.room: "all"})
    chatter = await here.send(circle.room, "chatter")
    for chat in (there, elsewhere):
        await chat.expect("notify", room=circle.room, target=chatter["seq"], reason="all")
        await chat.expect_nothing("notify", seconds=0.5)


async def test_message_of_a_killed_process_notifies(circle: Circle) -> None:
    here, there = await circle.here(), await circle.there(join=False)
    first = await here.send_to(circle.bob.id, "before")
    await there.expect("notify", target=first["seq"])
    # While Redis is away nothing is published: only the log knows of the message when its process dies.
    circle.pair.redis.stop()
    sent = await here.send_to(circle.bob.id, "the last words")
    circle.pair.one.kill()
    await there.expect("notify", room=sent["room"], target=sent["seq"], timeout=3 * WITHIN_S)
    circle.pair.redis.start()


async def test_claims_are_shared_again_soon_after_a_restart_of_redis(circle: Circle) -> None:
    here, there = await circle.here(), await circle.there(join=False)
    elsewhere = await circle.connect(circle.pair.one, circle.bob, join=False)
    sent = await here.send_to(circle.bob.id, "hello")
    await there.expect("notify", target=sent["seq"])
    circle.pair.redis.stop()
    away = [await chat.request("notify.claim", room=sent["room"], target=sent["seq"]) for chat in (there, elsewhere)]
    assert [reply["first"] for reply in away] == [True, True]  # rather twice than not at all
    circle.pair.redis.start()
    begun = time.monotonic()
    while True:
        later = await here.send_to(circle.bob.id, "again")
        claims = [await chat.request("notify.claim", room=later["room"], target=later["seq"]) for chat in (there, elsewhere)]
        if sorted(reply["first"] for reply in claims) == [False, True]:
            break
        assert time.monotonic() - begun < GIVE_UP_S
        await asyncio.sleep(0.2)
    for chat in (there, elsewhere):
        await chat.expect("notify", room=later["room"], target=later["seq"])
