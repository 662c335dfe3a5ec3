"""The writer of notes, without a database."""

import asyncio
from typing import Any

import pytest

from core.errors import Unavailable
from db import database
from features.notes import writer as writing
from features.notes.services import Incoming, Stored
from features.notes.writer import NoteWriter
from realtime import parts
from realtime.publish import Person, RoomRef

pytestmark = pytest.mark.once

ROOM, ADA = RoomRef(1, "room", direct=False), Person(1, "ada")


async def test_failed_push_costs_no_stored_update_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(1, 9))

    async def run(_store: Any, _room: Any, _seq: int, batch: list[Incoming]) -> Stored:
        return Stored([next(numbers) for _ in batch], full=False)

    def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr(database, "run", run)
    monkeypatch.setattr(parts, "current", fail)
    writer = NoteWriter()
    waiting = [writer.submit(ROOM, 1, Incoming(ADA, b"x")) for _ in range(3)]
    assert await asyncio.wait_for(asyncio.gather(*waiting), 5) == [1, 2, 3]
    await writer.close()


async def test_updates_beyond_the_queue_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(_store: Any, _room: Any, _seq: int, batch: list[Incoming]) -> Stored:
        return Stored([0] * len(batch), full=False)

    monkeypatch.setattr(database, "run", run)
    monkeypatch.setattr(writing, "QUEUE", 2)
    writer = NoteWriter()
    waiting = [writer.submit(ROOM, 1, Incoming(ADA, b"x")) for _ in range(2)]
    with pytest.raises(Unavailable, match="too many updates of this note wait"):
        writer.submit(ROOM, 1, Incoming(ADA, b"x"))
    waiting.append(writer.submit(ROOM, 2, Incoming(ADA, b"x")))  # another note has a queue of its own
    assert await asyncio.wait_for(asyncio.gather(*waiting), 5) == [0, 0, 0]
    await writer.close()
