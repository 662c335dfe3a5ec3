"""Every way to notify, for all levels, rooms, messages and circumstances.

The rules are those of docs/features/notifications.md.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.conf import settings
from django.db import close_old_connections, transaction
from django.utils import timezone

from accounts.models import User
from chat.encoding import event_row, event_rows, log_event
from chat.models import Event
from db import database
from features.notifications import digest, sweep, teller
from features.notifications.claims import Claim
from features.notifications.missed import missed
from features.notifications.models import Device, Preferences, Progress, RoomLevel
from features.notifications.services import mark_of
from realtime.events import Person, RoomRef
from realtime.local_users import LocalUser
from realtime.send_queue import Batch
from rooms.models import Block, Kind, Membership, Mention, Room

pytestmark = pytest.mark.django_db(transaction=True)

# The table of the page. (Level, whether the room is direct, whether the message names the person) → the reason.
REASONS = {
    ("all", True, True): "direct", ("all", True, False): "direct",
    ("all", False, True): "mention", ("all", False, False): "all",
    ("mentions", True, True): "mention", ("mentions", False, True): "mention",
}  # fmt: skip
DEFAULT = {True: "all", False: "mentions"}
# Circumstance → the ways that are silent then.
SILENT = {
    "": set[str](),
    "own": {"notify", "push", "mail"},
    "own, by a program": set[str](),
    "blocked": {"notify", "push", "mail"},
    "deleted": {"notify", "push", "mail"},
    "read": {"notify", "push", "mail"},
    "quiet": {"notify", "push"},
    "claimed": {"push"},
    "brought before": {"push", "mail"},
    "unused": {"notify", "push", "mail"},
}
SEQ = 1


@dataclass(frozen=True)
class Cell:
    """One person, alone with the author in a room of one message."""

    level: str | None
    direct: bool
    named: bool
    circumstance: str

    def reason(self, way: str) -> str | None:
        """Return why the person is notified in this way; None for not at all."""
        if way in SILENT[self.circumstance]:
            return None
        return REASONS.get((self.level or DEFAULT[self.direct], self.direct, self.named))


CELLS = [Cell(*one) for one in product((None, "all", "mentions", "nothing"), (True, False), (True, False), SILENT)]


class World:
    """A room and a person for each cell."""

    def __init__(self) -> None:
        self.at = timezone.now() - timedelta(minutes=10)
        self.cells: dict[int, Cell] = {}
        self.people: dict[int, User] = {}

    @transaction.atomic
    def add(self, first: int, cells: list[Cell]) -> None:
        """Add cells, the first of them with this number.

        Call it in a database thread, for a few cells at a time.
        """
        self.ada, _made = User.objects.get_or_create(username="ada")
        for number, cell in enumerate(cells, first):
            room, person = self._room(number, cell), User.objects.create(username=f"person-{number}")
            self.cells[room.id], self.people[room.id] = cell, person
            self._add(cell, room, person)

    @staticmethod
    def _room(number: int, cell: Cell) -> Room:
        kind = Kind.DIRECT if cell.direct else Kind.PRIVATE
        return Room.objects.create(slug=f"cell-{number}", kind=kind, head=SEQ, last_at=timezone.now())

    def _add(self, cell: Cell, room: Room, person: User) -> None:
        author = person if cell.circumstance.startswith("own") else self.ada
        data: dict[str, Any] = {"mentions": [person.id]} if cell.named and cell.circumstance != "deleted" else {}
        if cell.circumstance == "own, by a program":  # an alarm, say
            data["bot"] = True
        deleted = cell.circumstance == "deleted"
        text = "" if deleted else "hello"
        Event.objects.create(
            room=room, seq=SEQ, author=author, key="k", at=self.at, text=text, deleted=deleted, data=data or None
        )
        Membership.objects.create(room=room, user=self.ada)
        Membership.objects.create(room=room, user=person, last_read_seq=SEQ if cell.circumstance == "read" else 0)
        if cell.named:
            Mention.objects.create(room=room, user=person, seq=SEQ)
        if cell.level:
            RoomLevel.objects.create(room=room, user=person, level=cell.level)
        if cell.circumstance == "blocked":
            Block.objects.create(user=person, blocked=self.ada)
        if cell.circumstance == "brought before":
            Progress.objects.create(room=room, user=person, pushed=SEQ, mailed=SEQ)
        self._add_ways(cell, room, person)

    def _add_ways(self, cell: Cell, room: Room, person: User) -> None:
        preferences = Preferences(user=person, email=f"{room.slug}@example.org", email_confirmed=True, digest="daily")
        if cell.circumstance == "quiet":
            preferences.quiet_from = preferences.quiet_to = "00:00"
            preferences.quiet_zone = "UTC"
        if cell.circumstance == "unused":
            preferences.digest = "off"
        else:
            device = Device.objects.create(user=person, endpoint=room.slug, digest=room.slug, mark=mark_of(person.password))
            Device.objects.filter(id=device.id).update(created_at=self.at - timedelta(days=1))
        preferences.save()

    def by_cell(self, reasons: dict[str, str]) -> dict[Cell, str | None]:
        """Return the reasons by cell that are given by room; None for nothing."""
        slugs = dict(Room.objects.values_list("id", "slug"))
        return {cell: reasons.get(slugs[room]) for room, cell in self.cells.items()}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    for first in range(0, len(CELLS), 36):
        await database.run(made.add, first, CELLS[first : first + 36])
    yield made
    # The database threads keep their connections; the test database could not be dropped under them.
    await asyncio.gather(*(database.run(close_old_connections) for _ in range(settings.DATABASE_THREADS)))


class Dialect:
    signals = True


class Socket:
    """A socket that keeps its frames."""

    dialect = Dialect()

    def __init__(self) -> None:
        self.frames: list[Any] = []

    def push_batch(self, batch: Batch) -> None:
        self.frames += map(json.loads, batch.texts)


async def by_notify(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Deliver each room's message to sockets of this process; reasons by slug."""
    local: dict[int, LocalUser] = {}
    sockets: list[Socket] = []
    waiting: list[Any] = []
    rows = await database.run(lambda: list(event_rows(Event.objects.order_by("room_id"), "room_id", "room__slug")))
    for room, slug, *columns in rows:
        cell, person = world.cells[room], world.people[room]
        user = local[person.id] = LocalUser(Person(person.id, person.username))
        user.last_read[room] = SEQ if cell.circumstance == "read" else 0
        if cell.circumstance != "unused":
            sockets.append(Socket())
            user.sockets.add(sockets[-1])  # type: ignore[arg-type]
        waiting.append(teller._Waiting(RoomRef(room, slug, cell.direct), log_event(event_row(*columns), slug), {user}))
    monkeypatch.setattr(teller, "local_user", local.get)
    await teller.Teller()._notify(waiting)
    return {frame["room"]: frame["reason"] for socket in sockets for frame in socket.frames}


async def by_push(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Decide on the pushes of a sweep; reasons by slug."""
    claimed = {Claim(world.people[room].id, room, SEQ) for room, cell in world.cells.items() if cell.circumstance == "claimed"}
    monkeypatch.setattr(sweep, "claimed_among", lambda claims: claimed & set(claims))

    def decide() -> dict[str, str]:
        now = timezone.now()
        rooms = list(missed(Room.objects.all(), sweep._with_device, since=now - sweep.OLDEST, until=now, way=0))
        reasons = {(room.id, user): str(found[-1].reason) for room in rooms for user, found in room.people.items()}
        pushes, _considered = sweep._decide(rooms, now)
        return {one.payload["room"]: reasons[one.room, one.device.user_id] for one in pushes}

    return await database.run(decide)


async def by_mail(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Put together the digests that are due; reasons by slug."""
    monkeypatch.setattr(digest, "PEOPLE", len(CELLS))

    def collect() -> dict[str, str]:
        now = timezone.now()
        found = digest._digests(list(digest._due(now)), now)
        return {room.slug: str(one.reason) for parts in found.values() for room, messages in parts for one in messages}

    return await database.run(collect)


@pytest.mark.parametrize(("way", "drive"), [("notify", by_notify), ("push", by_push), ("mail", by_mail)])
async def test_each_way_notifies_as_the_docs_say(world: World, monkeypatch: pytest.MonkeyPatch, way: str, drive: Any) -> None:
    reasons = await drive(world, monkeypatch)
    found = await database.run(world.by_cell, reasons)
    wrong = {cell: (reason, cell.reason(way)) for cell, reason in found.items() if reason != cell.reason(way)}
    assert not wrong
    assert len(set(reasons.values())) == 3, "each reason was seen"
