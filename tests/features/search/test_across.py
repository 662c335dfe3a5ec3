"""Search on two processes: acknowledged messages are always found.

Either process may die, and Redis may be away.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest

from tests.features.search.test_search import found
from tests.realtime.across.conftest import Circle, Pair, circle_of, start_pair
from tests.support.profile import Profile


@pytest.fixture(scope="module")
def pair(profile: Profile) -> Iterator[Pair]:
    with ExitStack() as exits:
        yield start_pair(profile, exits)


@pytest.fixture
async def circle(pair: Pair) -> AsyncIterator[Circle]:
    async with AsyncExitStack() as exits:
        yield await circle_of(pair, exits)


async def test_messages_of_a_killed_process_are_found(circle: Circle, pair: Pair) -> None:
    mine, theirs = await circle.here(), await circle.there()
    for number in range(5):
        await mine.send(circle.room, f"sledge {number}")
    await mine.request("message.edit", room=circle.room, target=1, text="toboggan", key="edit")
    pair.one.kill()
    assert await found(theirs, "sledge", room=circle.room) == [f"[sledge] {number}" for number in (4, 3, 2, 1)]
    assert await found(theirs, "toboggan", room=circle.room) == ["[toboggan]"]
    pair.one.start()
    again = await circle.here()
    assert await found(again, "sledge 3", room=circle.room) == ["[sledge] [3]"]


async def test_search_works_while_redis_is_away(circle: Circle, pair: Pair) -> None:
    mine, theirs = await circle.here(), await circle.there()
    pair.redis.kill()
    try:
        await mine.send(circle.room, "kayak")
        assert await found(theirs, "kayak", room=circle.room) == ["[kayak]"]
    finally:
        pair.redis.start()
    assert await found(theirs, "kayak", room=circle.room) == ["[kayak]"]
