"""Callers with the same query share one read without delaying each other."""

import asyncio
import threading

import pytest
from django.conf import settings

from core.errors import RateLimited
from db.database import QUEUE_EACH
from db.shared_reads import SharedReads

# The database threads close connections that earlier tests of this process opened in them.
pytestmark = pytest.mark.django_db(transaction=True)

SHARE = max(1, settings.DATABASE_THREADS // 4)


class Upper:
    """A slow read that counts its starts."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.starts = threading.Semaphore(0)
        self.open = threading.Event()
        self.error: Exception | None = None

    def __call__(self, key: str) -> str:
        self.began.append(key)
        self.starts.release()
        self.open.wait(5)
        if self.error:
            raise self.error
        return key.upper()

    async def until(self, number: int) -> None:
        for _ in range(number):
            assert await asyncio.to_thread(self.starts.acquire, timeout=5)


async def test_shared_read_answers_all_callers_meanwhile() -> None:
    upper = Upper()
    reads = SharedReads(upper)
    asked = [asyncio.create_task(reads("a", 1))]
    await upper.until(1)
    asked += [asyncio.create_task(reads(key, owner)) for key, owner in (("a", 2), ("b", 3), ("a", 1))]
    await upper.until(1)
    asked[0].cancel()
    await asyncio.sleep(0)
    upper.open.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert (answers[1:], upper.began) == (["A", "B", "A"], ["a", "b"])
    assert await reads("a", 1) == "A"
    assert upper.began == ["a", "b", "a"]


async def test_shared_read_fails_all_callers_meanwhile() -> None:
    upper = Upper()
    upper.error = ValueError("no such page")
    reads = SharedReads(upper)
    first = asyncio.create_task(reads("a", 1))
    await upper.until(1)
    second = asyncio.create_task(reads("a", 2))
    upper.open.set()
    answers = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError, ValueError]
    assert upper.began == ["a"]


async def test_queued_read_of_one_owner_delays_no_other() -> None:
    """A flood waits for its owner's share.

    Another caller of the same read does not wait there.
    """
    upper = Upper()
    reads = SharedReads(upper)
    flood = [asyncio.create_task(reads(f"page-{number}", 1)) for number in range(settings.DATABASE_THREADS)]
    await upper.until(SHARE)
    other = asyncio.create_task(reads(f"page-{settings.DATABASE_THREADS - 1}", 2))
    await upper.until(1)
    assert upper.began[-1] == f"page-{settings.DATABASE_THREADS - 1}"
    upper.open.set()
    assert await other == upper.began[SHARE].upper()
    await asyncio.gather(*flood)


async def test_shared_read_answers_a_crowd_once() -> None:
    upper = Upper()
    upper.open.set()
    reads = SharedReads(upper)
    assert await asyncio.gather(*(reads("a", owner) for owner in range(100))) == ["A"] * 100
    assert upper.began == ["a"]


async def test_shared_read_of_a_full_queue_waits_for_others() -> None:
    """A caller with a full queue shares another caller's read; alone it is refused."""
    upper = Upper()
    reads = SharedReads(upper)
    flood = [asyncio.create_task(reads(f"page-{number}", 1)) for number in range(SHARE + QUEUE_EACH)]
    for _ in range(SHARE):
        await upper.until(1)
    refused = asyncio.create_task(reads("wanted", 1))
    with pytest.raises(RateLimited):
        await refused
    upper.open.set()
    await asyncio.gather(*flood)
    assert await reads("wanted", 2) == "WANTED"
