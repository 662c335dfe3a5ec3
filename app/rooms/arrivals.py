"""Join many people to rooms with one statement.

A first join through the ORM alone costs several milliseconds of processor time; for a thousand people who open one room
together that is a busy core for seconds.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from core.errors import FrameRefused, NoSuchRoom
from core.words import words as _
from db.queries import Query, WhereIn
from rooms import access, services, slugs
from rooms.models import Kind, Membership, Role, Room


class Arrival(NamedTuple):
    user: int
    slug: str  # in the client's spelling
    create: bool  # whether to create a missing room


class Entered(NamedTuple):
    room: Room
    last_read_seq: int
    new: bool  # whether this join made the membership


Outcome = Entered | FrameRefused


class _Found(NamedTuple):
    room: Room
    deserted: bool


_ROOMS = WhereIn(
    "slug",
    lambda: (
        Room.objects.filter(closed=False)
        .annotate(deserted=services.is_deserted())
        .values_list("id", "slug", "title", "kind", "head", "uncounted", "deserted")
    ),
)


def enter_all(arrivals: list[Arrival]) -> Query[dict[Arrival, Outcome]]:
    """Make all memberships.

    A refusal or failure of one arrival leaves the others alone.
    """
    named = {one: slugs.normalised(one.slug) or "" for one in arrivals}
    rows = yield _ROOMS(set(named.values()))
    rooms = {row[1]: _room_of(row) for row in rows}
    found = {one: rooms[slug] for one, slug in named.items() if slug in rooms}
    marks = yield from access.read_marks_among((room.id, one.user) for one, (room, _) in found.items())
    outcomes: dict[Arrival, Outcome] = {}
    new: dict[Arrival, _Found] = {}
    for one, place in found.items():
        room = place.room
        if (room.id, one.user) in marks:
            outcomes[one] = Entered(room, marks[room.id, one.user], new=False)
        elif room.kind == Kind.PUBLIC:
            new[one] = place
    if len(outcomes) < len(named):
        outcomes |= yield functools.partial(_enter_others, [one for one in named if one not in outcomes], new)
    return {one: outcomes[one] for one in named}


def _room_of(row: tuple[Any, ...]) -> _Found:
    """Return the row as a room with these fields alone."""
    number, slug, title, kind, head, uncounted, deserted = row
    return _Found(Room(id=number, slug=slug, title=title, kind=kind, head=head, uncounted=uncounted), deserted)


def _enter_others(arrivals: list[Arrival], new: dict[Arrival, _Found]) -> dict[Arrival, Outcome]:
    """Enter those who are no members: those in `new` together.

    Synchronous, in a database thread.
    """
    made = bool(new) and _become_members(new)
    outcomes: dict[Arrival, Outcome] = {}
    for one in arrivals:
        room = new[one].room if made and one in new else None
        outcomes[one] = _enter_alone(one) if room is None else Entered(room, room.head, new=True)
    return outcomes


def _become_members(arrivals: dict[Arrival, _Found]) -> bool:
    """Insert all memberships; return whether that succeeded.

    A person deleted meanwhile fails the whole statement; the caller then joins each one separately.
    """
    pairs = {(room.id, one.user): room for one, (room, _) in arrivals.items()}
    # The first to join an abandoned room owns it.
    first = dict(reversed(pairs))
    owned = {(room.id, first[room.id]) for room, deserted in arrivals.values() if deserted and room.slug != services.LOBBY}
    try:
        with transaction.atomic():
            Membership.objects.bulk_create(
                [_membership(room, user, owns=(room.id, user) in owned) for (_, user), room in pairs.items()],
                ignore_conflicts=True,  # another process may have inserted one in between
            )
            made = {room for room, _ in owned}
            services.adopt((room, user) for (_, user), room in pairs.items() if room.id not in made)
    except IntegrityError:
        return False
    return True


def _membership(room: Room, user: int, *, owns: bool) -> Membership:
    role = Role.OWNER if owns else Role.MEMBER
    return Membership(room=room, user_id=user, last_read_seq=room.head, uncounted=room.uncounted, role=role)


def _enter_alone(one: Arrival) -> Outcome:
    try:
        membership, new = services.room_enter(slug=one.slug, user=one.user, create=one.create)
    except FrameRefused as refusal:
        return refusal
    except IntegrityError:  # the room or a person was deleted in between
        return NoSuchRoom(_("the room or your account was deleted"))
    return Entered(membership.room, membership.last_read_seq, new)
