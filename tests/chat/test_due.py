"""The server acts on a due thing once; a failure of one stops no other."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chat import due, services
from chat.group_commit import writer
from chat.keys import ServerKey
from chat.models import Due, Event
from core.errors import Unavailable
from db import database
from features.polls.events import POLL, Poll
from rooms.models import Room
from tests.chat.world import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("published")]

LONG_AGO = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def world(world: World) -> AsyncIterator[World]:
    """The world; the writer's connections go with the test."""
    yield world
    await writer().close()


def add(world: World, room: int, **fields: Any) -> None:
    """Store an event as the log does."""
    place = world.models[room]
    place.refresh_from_db()
    place.head += 1
    place.save(update_fields=["head"])
    Event.objects.create(room=place, seq=place.head, author=world.ada, at=LONG_AGO, **fields)


def add_late_poll(world: World, room: int, *, minutes: int = 0) -> None:
    """Store a poll that should have been closed; the latest of all after `minutes`."""
    at = LONG_AGO + timedelta(minutes=minutes)
    poll = Poll("Tea?", ["yes", "no"], closes_at=at)
    add(world, room, kind=POLL.name, key="poll", data=POLL.data_of(poll))
    Due.objects.create(room=world.models[room], seq=1, at=at)


def closed() -> list[bool]:
    """Say of each room's poll whether it is closed."""
    polls = Event.objects.filter(kind=POLL.name).order_by("room_id")
    return [poll.data["closed"] for poll in polls if poll.data is not None]


def waits(room: Room) -> timedelta:
    """Say in how much time a room's thing is due."""
    return Due.objects.get(room=room).at - datetime.now(UTC)


async def test_due_poll_is_closed_once(world: World) -> None:
    await database.run(add_late_poll, world, 0)
    await asyncio.gather(due.act(), due.act())
    await due.act()
    assert await database.run(closed) == [True]
    kinds = await database.run(lambda: list(Event.objects.order_by("seq").values_list("kind", flat=True)))
    assert kinds == ["poll", "poll.closed"]
    assert not await database.run(Due.objects.exists)


async def test_taken_key_delays_its_own_thing_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of an earlier release, say: no client can store such a key now."""
    monkeypatch.setattr(due, "MANY", 1)  # the oldest are read first: a row that stays would stop all others
    taken = ServerKey("due", 1, int(LONG_AGO.timestamp() * 1_000))
    await database.run(add_late_poll, world, 0)
    await database.run(add_late_poll, world, 1, minutes=1)
    await database.run(lambda: add(world, 0, key=taken.text, text="mine"))
    await due.act()
    await due.act()
    assert await database.run(closed) == [False, True]
    assert timedelta() < await database.run(waits, world.models[0]) <= due.AGAIN
    await database.run(lambda: Due.objects.update(at=datetime.now(UTC)))
    await due.act()
    assert await database.run(closed) == [True, True], "the next time has another key"


async def test_room_that_cannot_be_written_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "MANY", 1)
    append = services.event_append

    def refuse_first(**fields: Any) -> Any:
        if fields["room"].id == world.rooms[0].id:
            raise Unavailable("not now")
        return append(**fields)

    monkeypatch.setattr(services, "event_append", refuse_first)
    await database.run(add_late_poll, world, 0)
    await database.run(add_late_poll, world, 1, minutes=1)
    await due.act()
    await due.act()
    assert await database.run(closed) == [False, True]
    assert timedelta() < await database.run(waits, world.models[0]) <= due.AGAIN_UNKNOWN
