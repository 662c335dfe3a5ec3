"""The one membership check, at every join, resume and send.

Synchronous in a database thread, or through a BatchLoader.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import F, Field, Func, Window
from django.db.models.functions import RowNumber

from changes import journal
from core.errors import NoSuchRoom, NotAMember
from core.words import words as _
from db.batch_loader import BatchLoader
from db.queries import Query, Statement, WhereIn
from realtime.publish import WATCHED_ROOMS, JournalRow, RoomDetails, RoomNow, RoomRef
from rooms import slugs
from rooms.models import Kind, Membership, Mention, Room


def room_by_slug(slug: str) -> Room:
    """Return the room of a slug.

    Raises NoSuchRoom, naming the slug.
    """
    normal = slugs.normalised(slug)
    room = Room.objects.filter(slug=normal, closed=False).first() if normal else None
    if room is None:
        raise NoSuchRoom(_("there is no room {room}", room=repr(slug[:64])))
    return room


def membership_in(user: int, slug: str) -> Membership:
    """Return the person's membership with its room.

    Raises NoSuchRoom or NotAMember.
    """
    normal = slugs.normalised(slug)
    found = None
    if normal:
        found = Membership.objects.filter(room__slug=normal, room__closed=False, user_id=user).select_related("room").first()
    if found is None:
        if normal and slugs.is_direct(normal):  # the same answer whether it exists or not: direct rooms are private
            raise NotAMember(_("you are not a member of {room}", room=normal))
        room = room_by_slug(slug)
        raise NotAMember(_("you are not a member of {room}", room=room.slug))
    return found


def members_among(pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the pairs `(room id, user id)` that are memberships, in one query."""
    return {(one.room, one.user) for one in _among(pairs)}


def writers_among(pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the pairs `(room id, user id)` that may write, in one query."""
    return set(writer_roles(pairs))


def writer_roles(pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Map each pair `(room id, user id)` that may write to its role, in one query.

    This is the check inside a group commit.
    """
    return {(one.room, one.user): one.role for one in _among(pairs) if not one.silenced}


def writers_of_all(pairs: list[tuple[int, int]]) -> Query[dict[tuple[int, int], bool]]:
    """Map each pair `(room id, user id)` that may write to True."""
    writers: set[tuple[int, int]] = yield functools.partial(writers_among, pairs)
    return dict.fromkeys(writers, True)


_writers = BatchLoader(writers_of_all, pace_s=0.025)  # no reply waits for it


async def may_write(room: int, user: int) -> bool:
    """Return whether the person is a member of the room and not blocked in it."""
    return bool(await _writers((room, user), owner=user))


def read_marks(pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Return the read mark of each membership among the pairs, in one query."""
    return {(one.room, one.user): one.last_read_seq for one in _among(pairs)}


def read_marks_among(pairs: Iterable[tuple[int, int]]) -> Query[dict[tuple[int, int], int]]:
    """Return what read_marks returns."""
    wanted = set(pairs)
    found = yield _AMONG([room for room, _ in wanted], [user for _, user in wanted])
    return {(room, user): last_read for room, user, last_read, *_ in found}


class _Member(NamedTuple):
    room: int
    user: int
    last_read_seq: int
    silenced: bool
    role: str


def _among(pairs: Iterable[tuple[int, int]]) -> list[_Member]:
    """Return the memberships among the pairs."""
    wanted = list(set(pairs))
    if not wanted:
        return []
    # Pairs: the ORM could only select all these people in all these rooms.
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_AMONG.sql, [[room for room, _ in wanted], [user for _, user in wanted]])
        else:
            values = ", ".join(["(%s, %s)"] * len(wanted))
            cursor.execute(f"{_COLUMNS} (VALUES {values})", list(chain.from_iterable(wanted)))
        return [_Member(*row) for row in cursor.fetchall()]


_COLUMNS = "SELECT room_id, user_id, upto, silenced, role FROM rooms_membership WHERE (room_id, user_id) IN"
_AMONG = Statement(
    f"{_COLUMNS} (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))",  # noqa: S608
    lambda rooms, users: [tuple(one) for one in _among(zip(rooms, users, strict=True))],
)


def members_of(room_ids: list[int], users: list[int]) -> dict[int, set[int]]:
    """Return each room's members among `users`, in one query."""
    found: dict[int, set[int]] = {}
    pairs = Membership.objects.filter(room_id__in=room_ids, user_id__in=users).values_list("room_id", "user_id")
    for room, user in pairs:
        found.setdefault(room, set()).add(user)
    return found


_Membership = tuple[RoomRef, int, int, int, float | None]


def rooms_of_all(users: list[int]) -> Query[dict[int, list[_Membership]]]:
    """Return each person's WATCHED_ROOMS most recently active rooms, in order.

    Each with the read mark, how many events up to it do not count as unread, the head, and the seconds since its last message.
    """
    found = yield _ROOMS(users)
    rooms: dict[int, list[_Membership]] = {}
    for user, room, slug, kind, *rest in found:
        rooms.setdefault(user, []).append((RoomRef(room, slug, kind == Kind.DIRECT), *rest))
    return rooms


class _SecondsSince(Func):
    """Seconds since a time by the database's clock: those of the processes may differ."""

    template = "EXTRACT(EPOCH FROM clock_timestamp() - %(expressions)s)::float8"
    # Of no special kind: the driver's float needs no conversion.
    output_field = Field()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="(julianday('now') - julianday(%(expressions)s)) * 86400.0", **context)


_LATEST_FIRST = F("room__last_at").desc(nulls_last=True), F("room__slug")
_ROOMS = WhereIn(
    "user_id",
    lambda: (
        Membership.objects.annotate(place=Window(RowNumber(), partition_by="user_id", order_by=_LATEST_FIRST))
        .filter(place__lte=WATCHED_ROOMS)
        .order_by(*_LATEST_FIRST)
        .values_list(
            "user_id",
            "room_id",
            "room__slug",
            "room__kind",
            "last_read_seq",
            "uncounted",
            "room__head",
            _SecondsSince("room__last_at"),
        )
    ),
)


def mentions_of_all(users: list[int]) -> Query[dict[int, dict[int, list[int]]]]:
    """Return the seqs of unread messages that mention each person, by room."""
    found = yield _MENTIONS(users)
    mentions: dict[int, dict[int, list[int]]] = {}
    for user, room, seq in found:
        mentions.setdefault(user, {}).setdefault(room, []).append(seq)
    return mentions


_MENTIONS = WhereIn("user_id", lambda: Mention.objects.values_list("user_id", "room_id", "seq"))


def rooms_now(ids: set[int]) -> dict[int, RoomNow]:
    return {room.id: RoomNow(to_ref(room), details(room), room.head) for room in Room.objects.filter(id__in=ids, closed=False)}


def room_ids_of(users: set[int]) -> dict[int, list[int]]:
    """Return the rooms of each person; every person has an entry."""
    found: dict[int, list[int]] = {user: [] for user in users}
    for user, room in Membership.objects.filter(user_id__in=users).values_list("user_id", "room_id"):
        found[user].append(room)
    return found


def details(room: Room) -> RoomDetails:
    """Return the room's fields for its members' sockets; the title may be empty."""
    return {"title": room.title, "kind": room.kind, "private": room.kind != Kind.PUBLIC}


def to_ref(room: Room) -> RoomRef:
    return RoomRef(room.id, room.slug, room.kind == Kind.DIRECT)


def memberships_added(place: journal.Place) -> list[JournalRow]:
    """Read the new memberships as rows of the journal."""
    rows = journal.new_rows(Membership.objects, place, "id", "user_id", "room_id", "last_read_seq", "uncounted")
    return [
        JournalRow(number, "added", user, room, f"{last_read} {uncounted}") for number, user, room, last_read, uncounted in rows
    ]
