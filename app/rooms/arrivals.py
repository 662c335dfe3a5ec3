"""Join many people to rooms with one statement.

A first join through the ORM alone costs several milliseconds of processor time; for a thousand people who open one room
together that is a busy core for seconds. Synchronous, in a database thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from core.errors import FrameRefused, NoSuchRoom
from core.words import words as _
from rooms import access, services, slugs
from rooms.models import Kind, Membership, Role, Room


class Arrival(NamedTuple):
    user: int
    slug: str  # in the client's spelling
    create: bool  # whether to create a missing room


class Entered(NamedTuple):
    room: Room
    upto: int
    new: bool  # whether this join made the membership


Outcome = Entered | FrameRefused


def enter_all(arrivals: list[Arrival]) -> dict[Arrival, Outcome]:
    """Make all memberships.

    A refusal or failure of one arrival leaves the others alone.
    """
    named = {slugs.normalised(one.slug) or "" for one in arrivals}
    asked = Room.objects.filter(slug__in=named, closed=False).annotate(deserted=services.is_deserted())
    rooms = {room.slug: room for room in asked}
    found = {one: room for one in arrivals if (room := rooms.get(slugs.normalised(one.slug) or "")) is not None}
    marks = access.read_marks((room.id, one.user) for one, room in found.items())
    new = {one: room for one, room in found.items() if room.kind == Kind.PUBLIC and (room.id, one.user) not in marks}
    made = _become_members(new)
    outcomes: dict[Arrival, Outcome] = {}
    for one in arrivals:
        room = found.get(one)
        if room is not None and (room.id, one.user) in marks:
            outcomes[one] = Entered(room, marks[room.id, one.user], new=False)
        elif room is not None and made and one in new:
            outcomes[one] = Entered(room, room.head, new=True)
        else:
            outcomes[one] = _enter_alone(one)
    return outcomes


def _become_members(arrivals: Mapping[Arrival, Any]) -> bool:
    """Insert all memberships; return whether that succeeded.

    A person deleted meanwhile fails the whole statement; the caller then joins each one separately.
    """
    pairs = {(room.id, one.user): room for one, room in arrivals.items()}
    # The first to join an abandoned room owns it.
    first = dict(reversed(pairs))
    owned = {(room.id, first[room.id]) for room in pairs.values() if room.deserted and room.slug != services.LOBBY}
    try:
        with transaction.atomic():
            Membership.objects.bulk_create(
                [_membership(room, user, owns=(room.id, user) in owned) for (_, user), room in pairs.items()],
                ignore_conflicts=True,  # another process may have inserted one in between
            )
    except IntegrityError:
        return False
    return True


def _membership(room: Room, user: int, *, owns: bool) -> Membership:
    role = Role.OWNER if owns else Role.MEMBER
    return Membership(room=room, user_id=user, upto=room.head, uncounted=room.uncounted, role=role)


def _enter_alone(one: Arrival) -> Outcome:
    try:
        membership, new = services.room_enter(slug=one.slug, user=one.user, create=one.create)
    except FrameRefused as refusal:
        return refusal
    except IntegrityError:  # the room or a person was deleted in between
        return NoSuchRoom(_("the room or your account was deleted"))
    return Entered(membership.room, membership.upto, new)
