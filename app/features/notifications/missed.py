"""Which messages of a time people have missed: for Web Push and for the digest.

Synchronous, in a database thread.

Rooms are read in parts. Of a room only those people are asked who could be told: both of a direct room, those who have it at
`all`, and those whom an unread message names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.db.models import BigIntegerField, Case, OuterRef, Q, QuerySet, Subquery, Value, When

from chat.kinds import KINDS, counts
from chat.models import Event
from features.notifications import reads
from features.notifications.models import Progress, RoomLevel
from features.notifications.reads import PersonRead
from features.notifications.table import Level, Reason, level_of, reason_for
from rooms import access
from rooms.models import Kind, Membership, Mention, Room

# Rooms and events in one query.
ROOMS = 100
EVENTS = 10_000
# Each is two parameters of a query.
PAIRS = 5_000
# The newest messages of a room to read, beside those with mentions. Votes, reactions and edits are none.
NEWEST = 100

# A condition on the column of that name which holds for the people in question.
Users = Callable[[str], Q]
# (room id, user id)
Pair = tuple[int, int]


class Message(NamedTuple):
    """An event that counts, as a notification shows it."""

    seq: int
    author: int
    author_name: str
    at: datetime
    text: str
    deleted: bool
    # Whether a program wrote it, in its author's name or its own.
    bot: bool

    def is_own(self, user: int) -> bool:
        """Return whether the person wrote it."""
        return self.author == user and not self.bot


class Missed(NamedTuple):
    """An unread message, and the reason of its notification."""

    message: Message
    reason: Reason


@dataclass
class RoomMissed:
    """What people have missed in one room, oldest first."""

    id: int
    slug: str
    title: str
    direct: bool
    # By person.
    people: dict[int, list[Missed]] = field(default_factory=dict)


class _Part:
    """The rooms of one part, and what is known of the people in question."""

    def __init__(self, rooms: list[Room], users: Users) -> None:
        self.rooms = {room.id: room for room in rooms}
        ids = list(self.rooms)
        self.levels: dict[Pair, str] = {}
        for room, user, level in _rows(RoomLevel.objects, ids, users, "level"):
            self.levels[room, user] = level
        self.named: dict[Pair, set[int]] = {}
        for room, user, seq in _rows(Mention.objects, ids, users, "seq"):
            self.named.setdefault((room, user), set()).add(seq)
        direct = [room.id for room in rooms if room.kind == Kind.DIRECT]
        both = {(room, user) for room, user, _ in _rows(Membership.objects, direct, users, "id")}
        watched = {pair for pair, level in self.levels.items() if level == Level.ALL}
        self.read = _read_marks(both | watched | self.named.keys())
        self.by_room: dict[int, list[Pair]] = {}
        for pair in self.read:
            self.by_room.setdefault(pair[0], []).append(pair)
        self.seen: dict[Pair, tuple[int, int]] = {
            (room, user): (pushed, mailed)
            for room, user, pushed, mailed in Progress.objects.filter(
                room_id__in=ids, user_id__in={user for _, user in self.read}
            ).values_list("room_id", "user_id", "pushed", "mailed")
        }

    def level(self, pair: Pair) -> Level:
        return level_of(self.levels.get(pair), direct=self.rooms[pair[0]].kind == Kind.DIRECT)


def _read_marks(pairs: set[Pair]) -> dict[Pair, int]:
    """Return the read mark of each pair that is a membership."""
    listed, found = list(pairs), dict[Pair, int]()
    for start in range(0, len(listed), PAIRS):
        found |= access.read_marks(listed[start : start + PAIRS])
    return found


def _rows(table: Any, rooms: list[int], users: Users, column: str) -> list[Any]:
    if not rooms:
        return []
    return list(table.filter(users("user_id"), room_id__in=rooms).values_list("room_id", "user_id", column))


def missed(rooms: QuerySet[Room], users: Users, *, since: datetime, until: datetime, way: int) -> Iterator[RoomMissed]:
    """Yield the rooms where these people missed messages from `since` to `until`.

    `way`: 0 leaves out messages already pushed, 1 messages already mailed.
    """
    ids = list(rooms.values_list("id", flat=True))
    for start in range(0, len(ids), ROOMS):
        part = _Part(list(Room.objects.filter(id__in=ids[start : start + ROOMS], closed=False)), users)
        if part.read:
            yield from _of_part(part, since, until, way)


def _of_part(part: _Part, since: datetime, until: datetime, way: int) -> Iterator[RoomMissed]:
    low = {pair: max(last_read_seq, part.seen.get(pair, (0, 0))[way]) for pair, last_read_seq in part.read.items()}
    events = _events(part, low, since, until)
    for room in part.rooms.values():
        found = RoomMissed(room.id, room.slug, room.title, room.kind == Kind.DIRECT)
        for message in events.get(room.id, ()):
            for pair in part.by_room.get(room.id, ()):
                if low[pair] >= message.seq:
                    continue
                named = message.seq in part.named.get(pair, ())
                reason = reason_for(part.level(pair), direct=found.direct, named=named)
                if reason is not None and not message.is_own(pair[1]):
                    found.people.setdefault(pair[1], []).append(Missed(message, reason))
        if found.people:
            yield found


def _events(part: _Part, low: dict[Pair, int], since: datetime, until: datetime) -> dict[int, list[Message]]:
    wanted: list[Q] = []
    begins = _begins(part, low)
    for room in part.rooms.values():
        pairs = part.by_room.get(room.id, [])
        if room.id in begins:
            wanted.append(Q(room_id=room.id, seq__gt=begins[room.id]))
        seqs = {seq for pair in pairs for seq in part.named.get(pair, ()) if seq > low[pair]}
        if seqs:
            wanted.append(Q(room_id=room.id, seq__in=sorted(seqs)[-NEWEST:]))
    found: dict[int, list[Message]] = {}
    if not wanted:
        return found
    rows = Event.objects.filter(reduce(or_, wanted), at__gt=since, at__lte=until, target__isnull=True).order_by("room_id", "seq")
    columns = ("room_id", "seq", "kind", "author_id", "author__username", "alias", "at", "text", "deleted", "data")
    for room_id, seq, kind, author, name, alias, at, text, deleted, data in rows.values_list(*columns)[:EVENTS]:
        if counts(kind, None):
            # Of a kind that is unknown here, or switched off, nothing is shown.
            fields = (data or {}) if KINDS.get(kind) is not None else {}
            shown = text or str(fields.get("question") or fields.get("title") or "")
            bot = kind == "message" and bool((data or {}).get("bot"))
            found.setdefault(room_id, []).append(Message(seq, author, alias or name, at, shown, deleted, bot))
    return found


def _begins(part: _Part, low: dict[Pair, int]) -> dict[int, int]:
    """Return, for each room to read, the seq behind which its newest messages begin.

    Rooms where everybody in question has read or been told of all are left out.
    """
    begins: dict[int, int] = {}
    for room in part.rooms.values():
        pairs = part.by_room.get(room.id, [])
        all_of = [low[pair] for pair in pairs if reason_for(part.level(pair), direct=room.kind == Kind.DIRECT, named=False)]
        if all_of and min(all_of) < room.head:
            begins[room.id] = min(all_of)
    # Fewer events hold no more messages than NEWEST.
    long = [room for room, seq in begins.items() if part.rooms[room].head - seq > NEWEST]
    if long:
        # Read backwards along the constraint (room, seq). An index of messages alone would be written with each of them.
        newest = Event.objects.filter(room_id=OuterRef("pk"), seq__gt=OuterRef("low"), target__isnull=True).order_by("-seq")
        rooms = Room.objects.filter(id__in=long).annotate(
            low=Case(*(When(pk=room, then=Value(begins[room])) for room in long), output_field=BigIntegerField()),
            first=Subquery(newest.values("seq")[NEWEST - 1 : NEWEST]),
        )
        begins |= {room: first - 1 for room, first in rooms.values_list("id", "first") if first is not None}
    return begins


def people_of(rooms: list[RoomMissed]) -> dict[int, PersonRead]:
    """Read quiet hours and blocks of all these people."""
    return reads.people({user for room in rooms for user in room.people})
