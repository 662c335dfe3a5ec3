"""Concurrent queries share a trip to the database.

Each gets its own answer or the same error.
"""

import asyncio
import functools
import threading

import pytest

from core.errors import RateLimited
from db.batch_loader import MOST, BatchLoader
from db.database import QUEUE, QUEUE_EACH, DatabaseUnavailable
from db.queries import Query

# The database threads close connections that earlier tests of this process opened in them.
pytestmark = pytest.mark.django_db(transaction=True)


class Squares:
    """A database of squares of even numbers that counts its queries."""

    def __init__(self) -> None:
        self.trips: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()
        self.error: Exception | None = None

    def __call__(self, keys: list[int]) -> Query[dict[int, int]]:
        return (yield functools.partial(self._read, keys))

    def _read(self, keys: list[int]) -> dict[int, int]:
        self.open.wait(5)
        self.trips.append(keys)
        if self.error:
            raise self.error
        return {key: key * key for key in keys if key % 2 == 0}


async def test_single_query_starts_at_once() -> None:
    squares = Squares()
    loader = BatchLoader(squares)
    assert await loader(4) == 16
    assert await loader(5) is None
    assert squares.trips == [[4], [5]]


async def test_queries_during_a_trip_share_the_next_one() -> None:
    squares = Squares()
    squares.open.clear()
    loader = BatchLoader(squares)
    first = asyncio.create_task(loader(0))
    await asyncio.sleep(0.05)
    rest = [asyncio.create_task(loader(number)) for number in (*range(1, MOST + 11), 2, 2)]
    await asyncio.sleep(0.05)
    squares.open.set()
    answers = await asyncio.gather(first, *rest)
    assert answers[:5] == [0, None, 4, None, 16]
    assert [len(trip) for trip in squares.trips] == [1, MOST, 10]


async def test_query_soon_after_another_waits_for_more() -> None:
    squares = Squares()
    loader = BatchLoader(squares, pace_s=3600)
    assert await loader(0) == 0
    held = [asyncio.create_task(loader(number)) for number in (2, 4)]
    assert not (await asyncio.wait(held, timeout=0.3))[0]
    assert squares.trips == [[0]]
    for task in held:
        task.cancel()
    loader = BatchLoader(squares, pace_s=0.1)
    assert await loader(0) == 0
    assert list(await asyncio.gather(loader(6), loader(8))) == [36, 64]
    assert squares.trips == [[0], [0], [6, 8]]


async def test_error_reaches_all_callers_of_the_trip_only() -> None:
    squares = Squares()
    loader = BatchLoader(squares)
    squares.error = DatabaseUnavailable("away")
    for error in await asyncio.gather(*map(loader, range(5)), return_exceptions=True):
        assert isinstance(error, DatabaseUnavailable)
    squares.error = None
    assert await loader(2) == 4
    squares.error = KeyError("a mistake of ours")
    for error in await asyncio.gather(*map(loader, range(5)), return_exceptions=True):
        assert isinstance(error, KeyError)


async def test_absent_database_is_waited_for_once() -> None:
    squares = Squares()
    squares.open.clear()
    loader = BatchLoader(squares)
    asked = [asyncio.create_task(loader(0))]
    await asyncio.sleep(0.05)
    asked += [asyncio.create_task(loader(number)) for number in (*range(1, MOST + 11), 2)]
    await asyncio.sleep(0.05)
    squares.error = DatabaseUnavailable("away")
    squares.open.set()
    for error in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(error, DatabaseUnavailable)
    assert squares.trips == [[0]]
    squares.error = None
    assert await loader(2) == 4


async def test_cancelled_caller_does_not_affect_the_others() -> None:
    squares = Squares()
    squares.open.clear()
    loader = BatchLoader(squares)
    impatient, patient = asyncio.create_task(loader(6)), asyncio.create_task(loader(6))
    await asyncio.sleep(0.05)
    impatient.cancel()
    squares.open.set()
    assert await patient == 36


async def test_query_queue_is_bounded() -> None:
    squares = Squares()
    squares.open.clear()
    loader = BatchLoader(squares)
    asked = [asyncio.create_task(loader(number)) for number in range(QUEUE + 1)]
    await asyncio.sleep(0.1)
    refused = asyncio.create_task(loader(-2))
    late = [asyncio.create_task(loader(number)) for number in range(QUEUE + 1, 2 * QUEUE)]
    await asyncio.sleep(0.1)
    overflowing = [task for task in (refused, *late) if task.done()]
    squares.open.set()
    assert overflowing
    for task in overflowing:
        with pytest.raises(DatabaseUnavailable):
            task.result()
    await asyncio.gather(*asked, return_exceptions=True)


async def test_single_use_key_is_answered_once() -> None:
    squares = Squares()
    squares.open.clear()
    loader = BatchLoader(squares, once=True)
    asked = [asyncio.create_task(loader(number)) for number in (0, 6, 6, 6)]
    await asyncio.sleep(0.05)
    squares.open.set()
    assert await asyncio.gather(*asked) == [0, 36, None, None]


async def test_queries_of_one_person_wait_for_each_other() -> None:
    """Order of service, without a clock.

    Ada's query leaves with the next trip, despite 200 queries before it.
    """
    squares = Squares()
    squares.open.clear()
    loader = BatchLoader(squares, pace_s=0)
    first = asyncio.create_task(loader(0, owner="flooder"))
    await asyncio.sleep(0.05)
    flood = [asyncio.create_task(loader(number, owner=f"flooder-{number % 2}")) for number in range(1, 2 * QUEUE_EACH + 1)]
    await asyncio.sleep(0)
    ada = asyncio.create_task(loader(1_000, owner="ada"))
    await asyncio.sleep(0)
    squares.open.set()
    assert await ada == 1_000_000
    await asyncio.gather(first, *flood)
    assert 1_000 in squares.trips[1][:3], "one query of each person, in turn"
    assert sorted(number for trip in squares.trips for number in trip) == [*range(2 * QUEUE_EACH + 1), 1_000]


async def test_queries_above_a_persons_queue_are_refused() -> None:
    squares = Squares()
    squares.open.clear()
    loader = BatchLoader(squares)
    flood = [asyncio.create_task(loader(number, owner="flooder")) for number in range(QUEUE_EACH + 5)]
    await asyncio.sleep(0.05)
    flood += [asyncio.create_task(loader(number, owner="flooder")) for number in range(1_000, 1_000 + QUEUE_EACH)]
    ada = asyncio.create_task(loader(8, owner="ada"))
    await asyncio.sleep(0.05)
    squares.open.set()
    answers = await asyncio.gather(*flood, return_exceptions=True)
    assert any(isinstance(answer, RateLimited) for answer in answers)
    assert await ada == 64
    assert await loader(10, owner="flooder") == 100, "the queue is empty again"
