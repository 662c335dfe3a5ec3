"""The poll of the heads on the real database finds lost last events."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import close_old_connections, connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from chat import history
from chat.models import Event
from core.limits import Limits
from db import database
from realtime import repair
from realtime.events import Head, Person, RoomRef
from realtime.hub import Hub
from realtime.live_room import LiveRoom
from realtime.local_users import LocalUser
from realtime.ports import domains
from rooms.models import Room as Stored

pytestmark = pytest.mark.django_db(transaction=True)

ROOMS = 9


class Polled:
    """A hub with rooms whose heads are all 1, after delivery of seq 1."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub = Hub()
        self.found: set[int] = set()
        monkeypatch.setattr(self.hub.repair, "_soon", lambda room, _gap: self.found.add(room.ref.id))

    def limit(self, **limits: int) -> None:
        self.hub.repair.limits = Limits(**limits)

    async def serve(self) -> None:
        old = datetime.now(UTC) - timedelta(hours=1)
        rooms = [Stored(slug=f"room-{number}", head=1, last_at=old) for number in range(ROOMS)]
        for room in await database.run(lambda: Stored.objects.bulk_create(rooms)):
            served = self.hub.registry.rooms[room.id] = LiveRoom(RoomRef(room.id, room.slug, direct=False))
            served.skip_to(Head(1))
            served.opened.set()

    async def move(self, *rooms: int, at: datetime) -> None:
        """Commit an event without publishing it."""
        await database.run(lambda: Stored.objects.filter(id__in=rooms).update(head=2, last_at=at))

    async def poll(self) -> set[int]:
        self.found.clear()
        await self.hub.repair.poll_heads()
        return set(self.found)

    async def repaired(self) -> None:
        async with asyncio.timeout(20):
            while any(room.last_seq < 2 for room in self.hub.registry.rooms.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    @property
    def ids(self) -> list[int]:
        return list(self.hub.registry.rooms)


@pytest.fixture
async def polled(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Polled]:
    monkeypatch.setattr(settings, "REDIS_SHARDS", [])
    made = Polled(monkeypatch)
    await made.serve()
    yield made
    await asyncio.gather(*(database.run(close_old_connections) for _ in range(8)))


@pytest.mark.parametrize("by_name", [ROOMS, 2], ids=["few rooms", "many rooms"])
async def test_changed_head_is_found_by_the_next_poll(polled: Polled, monkeypatch: pytest.MonkeyPatch, by_name: int) -> None:
    polled.limit(heads_a_query=by_name)
    assert await polled.poll() == set()
    await polled.move(polled.ids[0], polled.ids[-1], at=datetime.now(UTC))
    assert await polled.poll() == {polled.ids[0], polled.ids[-1]}


async def test_late_visible_change_is_found(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow commit, or a host with a late clock."""
    polled.limit(heads_a_query=1)
    for _ in range(3):
        await polled.poll()
    await polled.move(polled.ids[-1], at=datetime.now(UTC) - repair.OVERLAP + timedelta(seconds=5))
    assert polled.ids[-1] in await polled.poll()


async def test_old_change_is_found_by_the_slow_rotation(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    polled.limit(heads_a_query=2)
    await polled.move(polled.ids[-1], at=datetime.now(UTC) - timedelta(minutes=5))
    found = [await polled.poll() for _ in range(ROOMS // 2 + 1)]
    assert [bool(each) for each in found] == [False] * (ROOMS // 2) + [True]


async def test_a_poll_is_one_query_for_few_rooms_and_two_for_many(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    async def count(function: object) -> dict[int, int]:
        asked.append(await real(lambda: _queries(function)))
        return {}

    real = database.run
    monkeypatch.setattr(database, "run", count)
    await polled.hub.repair.poll_heads()
    polled.limit(heads_a_query=2)
    await polled.hub.repair.poll_heads()
    assert asked == [1, 1, 1]


async def test_all_rooms_are_read_a_hundred_at_a_time(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other users reach the database after an outage of the layer."""
    monkeypatch.undo()
    polled.limit(repair_rooms=4)
    reads: list[int] = []
    monkeypatch.setattr(domains().LOG, "events", _counted(domains().LOG.events, reads))
    author = await database.run(lambda: User.objects.create_user("ada"))
    events = [Event(room_id=room, seq=2, author=author, key="k", text="hi", at=datetime.now(UTC)) for room in polled.ids]
    await database.run(lambda: Event.objects.bulk_create(events))
    await polled.move(*polled.ids, at=datetime.now(UTC))
    await polled.hub.repair.poll_heads()
    await polled.repaired()
    assert reads == [4, 4, 1]


async def test_a_large_page_leaves_whole_rooms_for_the_next(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(history, "PAGE_BYTES", 5)
    author = await database.run(lambda: User.objects.create_user("ada"))
    events = [Event(room_id=room, seq=2, author=author, key="k", text="hello", at=datetime.now(UTC)) for room in polled.ids]
    await database.run(lambda: Event.objects.bulk_create(events))
    await polled.move(*polled.ids, at=datetime.now(UTC))
    await polled.hub.repair.poll_heads()
    await polled.repaired()


async def test_rows_missing_in_the_database_are_read_once_a_poll(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleted rows: each poll asks again, without a busy loop."""
    monkeypatch.undo()
    reads: list[int] = []
    monkeypatch.setattr(domains().LOG, "events", _counted(domains().LOG.events, reads))
    author = await database.run(lambda: User.objects.create_user("ada"))
    room = polled.hub.registry.rooms[polled.ids[0]]
    event = Event(room_id=room.ref.id, seq=3, author=author, key="k", text="hi", at=datetime.now(UTC))
    await database.run(event.save)
    await database.run(lambda: Stored.objects.filter(id=room.ref.id).update(head=3))
    await polled.hub.repair.poll_heads()
    async with asyncio.timeout(20):
        await next(iter(polled.hub.tasks.running))
    assert (reads, room.last_seq, room.pending) == ([1], 1, {})


async def test_closed_and_opening_rooms_are_skipped(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    polled.limit(heads_a_query=2)
    await polled.poll()
    await polled.move(*polled.ids, at=datetime.now(UTC))
    gone, opening = polled.ids[0], polled.ids[1]
    del polled.hub.registry.rooms[gone]
    polled.hub.registry.rooms[opening].opened.clear()
    assert await polled.poll() == set(polled.ids) - {opening}


async def test_tick_closes_unused_rooms_only(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = list(polled.hub.registry.rooms.values())
    for room in rooms[:3]:
        room.watchers.add(LocalUser(Person(1, "ada")))
    later = 0.0
    for _ in range(3):  # seen unused once, then unused for long
        await polled.hub.housekeeping._close_empty(asyncio.get_running_loop().time() + later)
        later += 20
    assert set(polled.hub.registry.rooms.values()) == set(rooms[:3])


async def test_tick_visits_only_rooms_with_due_work(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = list(polled.hub.registry.rooms.values())
    hub = polled.hub
    visited: list[LiveRoom] = []
    monkeypatch.setattr(LiveRoom, "send_unread", lambda room: visited.append(room))  # noqa: PLW0108  # a method
    for room in rooms[:2]:
        room.unread_due = True
        hub.registry.dirty.add(room)
    await hub.housekeeping._send_unread(asyncio.get_running_loop().time())
    assert set(visited) == set(rooms[:2])
    for room in rooms[:2]:
        room.unread_due = False
    await hub.housekeeping._send_unread(asyncio.get_running_loop().time())
    assert hub.registry.dirty == set()


def _counted(events: Any, reads: list[int]) -> Any:
    async def counted(spans: dict[int, tuple[int, int]]) -> Any:
        reads.append(len(spans))
        return await events(spans)

    return counted


def _queries(function: object) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert callable(function)
        function()
    return len(queries)
