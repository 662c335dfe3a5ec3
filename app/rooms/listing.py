"""Rooms and members as the API shows them, in pages. Reads; synchronous."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, Q

from accounts.models import User
from accounts.names import key_of
from core.errors import BadFrame, NotAMember
from rooms import access, slugs
from rooms.counting import member_counts
from rooms.models import Kind, Membership, Room

PAGE = 200
PAGE_MAX = 500


class Page(NamedTuple):
    items: list[dict[str, Any]]
    # Where the next page begins, to be handed back as it is; None at the end.
    next: str | None

    def fields(self, name: str) -> dict[str, Any]:
        """The page as the API answers it."""
        return {name: self.items, "more": self.next is not None, "next": self.next}


def rooms_for(
    user: int,
    *,
    after: str | None = None,
    limit: int = PAGE,
    query: str = "",
    member: bool | None = None,
    added_by: int | None = None,
    slug: str | None = None,
) -> Page:
    """List the person's rooms, the most recently active first; then the public ones they may join, by slug.

    `query`: only rooms whose slug or title holds it. `member`: only the former, or only the latter. `added_by`: only
    rooms that this person has added them to. `slug`: only the room of this name. Raises BadFrame for a cursor that is none.
    """
    named = Q(slug__icontains=query) | Q(title__icontains=query) if query else Q()
    if slug is not None:
        named &= Q(slug=slugs.normalised(slug) or "")
    only_mine = member or added_by is not None
    mine = []
    if member is not False and not (after and after.startswith(_PUBLIC)):
        mine = _mine(user, named, after, limit + 1, added_by)
    if len(mine) > limit:
        last = mine[limit - 1].room
        return Page(_shown(user, [one.room for one in mine[:limit]], mine), _cursor_mine(last))
    if only_mine:
        return Page(_shown(user, [one.room for one in mine], mine), None)
    begin = after.removeprefix(_PUBLIC) if after and after.startswith(_PUBLIC) else ""
    left = limit - len(mine)
    others = list(_others(user, named).filter(slug__gt=begin)[: left + 1])
    rooms = [*(one.room for one in mine), *others[:left]]
    more = len(others) > left
    return Page(_shown(user, rooms, mine), _PUBLIC + (others[left - 1].slug if left else "") if more else None)


def room_for(user: int, slug: str) -> dict[str, Any]:
    """One room. Raises NoSuchRoom, or NotAMember for a room one is invited to."""
    try:
        membership = access.membership_in(user, slug)
    except NotAMember:
        if slugs.is_direct(slug):
            raise
        room = access.room_by_slug(slug)
        if room.kind != Kind.PUBLIC:
            raise
        return _shown(user, [room], [])[0]
    return _shown(user, [membership.room], [membership])[0]


def members_of(
    user: int,
    slug: str,
    *,
    after: int = 0,
    limit: int = PAGE,
    query: str = "",
    role: str | None = None,
    users: Collection[int] = (),
) -> Page:
    """List members with ids above `after`, by id. Raises NoSuchRoom or NotAMember.

    `query`: only those whose name holds it. `role`: only those with it. `users`: only those of these ids.
    """
    room = access.membership_in(user, slug).room
    found = Membership.objects.filter(room=room, user_id__gt=after).select_related("user").order_by("user_id")
    if query:
        found = found.filter(user__name_key__contains=key_of(query))
    if role:
        found = found.filter(role=role)
    if users:
        found = found.filter(user_id__in=users)
    people = [{"id": one.user_id, "name": one.user.username, "role": one.role} for one in found[: limit + 1]]
    return Page(people[:limit], str(people[limit - 1]["id"]) if len(people) > limit else None)


_MINE, _PUBLIC = "m~", "p~"


def _mine(user: int, named: Q, after: str | None, limit: int, added_by: int | None) -> list[Membership]:
    found = Membership.objects.filter(user_id=user, room__closed=False).select_related("room")
    if added_by is not None:
        found = found.filter(added_by=added_by)
    if named:
        found = found.filter(room__in=Room.objects.filter(named))
    if after:
        found = found.filter(_behind(after))
    return list(found.order_by(F("room__last_at").desc(nulls_last=True), "room__slug")[:limit])


def _others(user: int, named: Q) -> Any:
    """Public rooms without the person, in the order of their index."""
    return Room.objects.filter(named, kind=Kind.PUBLIC, closed=False).exclude(memberships__user_id=user).order_by("slug")


def _cursor_mine(room: Room) -> str:
    return f"{_MINE}{room.last_at.isoformat() if room.last_at else ''}~{room.slug}"


def _behind(cursor: str) -> Q:
    """The rooms that follow in the order of `_mine`."""
    kind, _, rest = cursor.partition("~")
    moment, parted, slug = rest.partition("~")
    silent = Q(room__last_at=None)
    try:
        at = datetime.fromisoformat(moment) if moment else None
    except ValueError:
        at, parted = None, ""
    if kind + "~" != _MINE or not parted or (at is not None and at.tzinfo is None):
        raise BadFrame("after: hand back `next` as it came")
    if at is None:
        return silent & Q(room__slug__gt=slug)
    return silent | Q(room__last_at__lt=at) | Q(room__last_at=at, room__slug__gt=slug)


def _shown(user: int, rooms: list[Room], memberships: list[Membership]) -> list[dict[str, Any]]:
    mine = {one.room_id: one for one in memberships}
    peers = _peers(user, [room.id for room in rooms if room.kind == Kind.DIRECT])
    counts = member_counts([room.id for room in rooms])
    adders = _people({one.added_by for one in memberships if one.added_by is not None})
    return [_room(room, mine.get(room.id), peers.get(room.id), counts[room.id], adders) for room in rooms]


def _room(
    room: Room,
    membership: Membership | None,
    peer: dict[str, Any] | None,
    people: int,
    adders: dict[int, dict[str, Any]],
) -> dict[str, Any]:
    return {
        "slug": room.slug,
        "title": room.title or room.slug,
        "kind": room.kind,
        "private": room.kind != Kind.PUBLIC,
        "head": room.head,
        "member": membership is not None,
        "upto": membership.upto if membership else 0,
        "member_count": people,
        "peer": peer,
        "role": membership.role if membership else None,
        "joined_at": membership.joined_at if membership else None,
        "added_by": adders.get(membership.added_by or 0) if membership else None,
        "last_at": room.last_at,
    }


def _people(ids: set[int]) -> dict[int, dict[str, Any]]:
    found = User.objects.filter(id__in=ids).values_list("id", "username") if ids else ()
    return {one: {"id": one, "name": name} for one, name in found}


def _peers(user: int, rooms: list[int]) -> dict[int, dict[str, Any]]:
    """The other person of each direct room."""
    found = Membership.objects.filter(room_id__in=rooms).exclude(user_id=user).select_related("user")
    return {one.room_id: {"id": one.user_id, "name": one.user.username} for one in found}
