"""Rooms and members as the API shows them. Reads; synchronous."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F

from realtime.errors import NotAMember
from rooms import access, slugs
from rooms.models import Kind, Membership, Room

ROOMS_LISTED = 500
"""Public rooms that the person is not in."""


def rooms_for(user: int) -> list[dict[str, Any]]:
    """All of the person's rooms, then at most ROOMS_LISTED public ones; each the most recently active first."""
    mine = {membership.room_id: membership for membership in Membership.objects.filter(user_id=user)}
    counted = Room.objects.annotate(people=Count("memberships")).order_by(F("last_at").desc(nulls_last=True), "slug")
    own = counted.filter(id__in=Membership.objects.filter(user_id=user).values("room_id"))
    others = counted.filter(kind=Kind.PUBLIC).exclude(memberships__user_id=user)[:ROOMS_LISTED]
    return _shown(user, [*own, *others], mine)


def room_for(user: int, slug: str) -> dict[str, Any]:
    """One room. Raises NoSuchRoom, or NotAMember for a room one is invited to."""
    membership: Membership | None = None
    try:
        membership = access.membership_in(user, slug)
        room = membership.room
    except NotAMember:
        if slugs.is_direct(slug):
            raise
        room = access.room_by_slug(slug)
        if room.kind != Kind.PUBLIC:
            raise
    room.people = Membership.objects.filter(room=room).count()  # type: ignore[attr-defined]
    return _shown(user, [room], {room.id: membership} if membership else {})[0]


def members_of(user: int, slug: str) -> list[dict[str, Any]]:
    """Raises NoSuchRoom or NotAMember."""
    room = access.membership_in(user, slug).room
    found = Membership.objects.filter(room=room).select_related("user").order_by("user__username")
    return [{"id": one.user_id, "name": one.user.username, "role": one.role} for one in found]


def _shown(user: int, rooms: list[Any], mine: dict[int, Membership]) -> list[dict[str, Any]]:
    peers = _peers(user, [room.id for room in rooms if room.kind == Kind.DIRECT])
    return [_room(room, mine.get(room.id), peers.get(room.id)) for room in rooms]


def _room(room: Any, membership: Membership | None, peer: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "slug": room.slug,
        "title": room.title or room.slug,
        "kind": room.kind,
        "private": room.kind != Kind.PUBLIC,
        "head": room.head,
        "member": membership is not None,
        "upto": membership.upto if membership else 0,
        "member_count": room.people,
        "peer": peer,
        "role": membership.role if membership else None,
        "last_at": room.last_at,
    }


def _peers(user: int, rooms: list[int]) -> dict[int, dict[str, Any]]:
    """The other person of each direct room."""
    found = Membership.objects.filter(room_id__in=rooms).exclude(user_id=user).select_related("user")
    return {one.room_id: {"id": one.user_id, "name": one.user.username} for one in found}
