"""Cached reads of rooms and people, while their settings change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import pytest

from db import database
from features.notifications.teller import LatelyRead

pytestmark = pytest.mark.once


class Table:
    """Numbers by id; a read takes until `answers` is set."""

    def __init__(self) -> None:
        self.rows = dict.fromkeys(range(5), 1)
        self.asked: list[list[int]] = []
        self.answers = asyncio.Event()
        self.answers.set()

    def read(self, ids: Collection[int]) -> dict[int, int]:
        self.asked.append(sorted(ids))
        return {one: self.rows[one] for one in ids}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    found = Table()

    async def run(read: Callable[[list[int]], dict[int, int]], ids: list[int]) -> dict[int, int]:
        result = read(ids)
        await found.answers.wait()
        return result

    monkeypatch.setattr(database, "run", run)
    return found


async def test_entry_forgotten_during_another_read_is_still_answered(table: Table) -> None:
    lately = LatelyRead[int](table.read, 10)
    assert await lately.of({1}) == {1: 1}
    table.answers.clear()
    reading = asyncio.create_task(lately.of({1, 2}))
    await asyncio.sleep(0)
    lately.forget(1)
    table.answers.set()
    assert await reading == {1: 1, 2: 1}


async def test_entry_read_before_its_change_is_read_again(table: Table) -> None:
    lately = LatelyRead[int](table.read, 10)
    table.answers.clear()
    reading = asyncio.create_task(lately.of({1}))
    await asyncio.sleep(0)
    table.rows[1] = 2
    lately.forget(1)
    table.answers.set()
    assert await reading == {1: 1}
    assert await lately.of({1}) == {1: 2}
    assert table.asked == [[1], [1]]


async def test_entries_are_bounded_and_answered_all_the_same(table: Table) -> None:
    lately = LatelyRead[int](table.read, 2)
    assert await lately.of({0, 1, 2, 3}) == dict.fromkeys(range(4), 1)
    assert len([one for one in range(4) if lately.get(one) is not None]) == 2
