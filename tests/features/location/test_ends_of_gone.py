"""Shares of people who have left a room are ended, one room after the other."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from chat.publish import Thing
from core.errors import Unavailable
from db import database
from features.location import frames
from features.location.events import Location
from realtime.publish import Person, RoomRef

pytestmark = pytest.mark.once

AT = datetime(2030, 1, 1, tzinfo=UTC)


async def test_room_that_cannot_be_written_keeps_no_share_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = [RoomRef(number, f"room-{number}", direct=False) for number in range(3)]
    things = [Thing(room, 1, Person(7, "ada"), AT, Location(AT), "k") for room in rooms]
    ended: set[str] = set()

    async def run(_read: Callable[..., Any], _kind: Any) -> list[Thing]:
        return list(things)

    async def end(room: RoomRef, _person: Person, _seq: int) -> None:
        if room is rooms[0]:
            raise Unavailable("not now")
        ended.add(room.slug)

    monkeypatch.setattr(database, "run", run)
    monkeypatch.setattr(frames, "end", end)
    for _round in range(100):
        await frames.end_obsolete()
    assert ended == {"room-1", "room-2"}
