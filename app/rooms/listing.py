"""Read pages of rooms and members for the API.

Synchronous.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple
from unicodedata import normalize

from django.db import connection
from django.db.models import Count, F, Q

from accounts.models import User
from accounts.names import key_of
from core.errors import BadFrame, NotAMember
from rooms import access, slugs
from rooms.counting import member_counts
from rooms.models import Kind, Membership, Mention, Room

PAGE = 200
PAGE_MAX = 500
# Of a room that was active, with the longest slug.
CURSOR_MAX = len("m~2030-01-01T12:00:00.000000+00:00~") + slugs.MAX_STORED


class Page(NamedTuple):
    items: list[dict[str, Any]]
    # Opaque start of the next page; None at the end.
    next: str | None

    def fields(self, name: str) -> dict[str, Any]:
        """Return the page in the form of the API."""
        return {name: self.items, "more": self.next is not None, "next": self.next}


class Row(NamedTuple):
    """A room from one person's point of view; `role` is None for non-members."""

    id: int
    slug: str
    title: str
    kind: str
    head: int
    last_at: datetime | None
    # How many events up to `head`, and up to `last_read_seq`, do not count as unread.
    room_uncounted: int
    last_read_seq: int = 0
    uncounted: int = 0
    role: str | None = None
    joined_at: datetime | None = None
    added_by: int | None = None

    @property
    def unread(self) -> int:
        """Count the messages above the read mark."""
        return max(0, self.head - self.room_uncounted - (self.last_read_seq - self.uncounted)) if self.role is not None else 0


_ROOM = ("id", "slug", "title", "kind", "head", "last_at", "uncounted")
_MEMBERSHIP = ("last_read_seq", "uncounted", "role", "joined_at", "added_by")


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
    """List the person's rooms, the most recently active first.

    Then the public ones they may join, by slug.

    `query`: part of the slug or title. `member`: only one of the two lists. `added_by`: only rooms that this person has added
    them to. `slug`: only this room. Raises BadFrame for an invalid cursor.
    """
    named = _named(query)
    if slug is not None:
        named &= Q(slug=slugs.normalised(slug) or "")
    only_mine = member or added_by is not None
    mine: list[Row] = []
    if member is not False and not (after and after.startswith(_PUBLIC)):
        mine = _mine(user, named, after, limit + 1, added_by)
    if len(mine) > limit:
        return Page(_shown(user, mine[:limit]), _cursor_mine(mine[limit - 1]))
    if only_mine:
        return Page(_shown(user, mine), None)
    begin = after.removeprefix(_PUBLIC) if after and after.startswith(_PUBLIC) else ""
    left = limit - len(mine)
    others = _others(user, named, begin, left + 1)
    more = len(others) > left
    return Page(_shown(user, [*mine, *others[:left]]), _PUBLIC + (others[left - 1].slug if left else "") if more else None)


def _named(query: str) -> Q:
    """Return the filter for rooms with `query` in their slug or title, in any case."""
    if not query:
        return Q()
    text = normalize("NFC", query)
    # SQLite's LIKE knows the case of ASCII letters only, its REGEXP is Python's.
    title = Q(title__iregex=re.escape(text)) if connection.vendor == "sqlite" else Q(title__icontains=text)
    return Q(slug__contains=slugs.folded(query)) | title


def room_for(user: int, slug: str) -> dict[str, Any]:
    """Return one room.

    Raises NoSuchRoom, or NotAMember for a room by invitation only.
    """
    try:
        membership = access.membership_in(user, slug)
    except NotAMember:
        if slugs.is_direct(slug):
            raise
        room = access.room_by_slug(slug)
        if room.kind != Kind.PUBLIC:
            raise
        return _shown(user, [_row(room)])[0]
    own = {name: getattr(membership, name) for name in _MEMBERSHIP}
    return _shown(user, [_row(membership.room)._replace(**own)])[0]


def _row(room: Room) -> Row:
    return Row(*(getattr(room, name) for name in _ROOM))


def members_of(
    user: int,
    slug: str,
    *,
    after: int = 0,
    limit: int = PAGE,
    query: str = "",
    begins: str = "",
    role: str | None = None,
    users: Collection[int] = (),
) -> Page:
    """List members with ids above `after`, by id.

    Raises NoSuchRoom or NotAMember.

    `query`: part of the name. `begins`: its beginning. `role`: only this role. `users`: only these ids.
    """
    room = access.membership_in(user, slug).room
    found = Membership.objects.filter(room=room, user_id__gt=after).order_by("user_id")
    if query:
        found = found.filter(user__name_key__contains=key_of(query))
    if begins:
        found = found.filter(user__name_key__startswith=key_of(begins))
    if role:
        found = found.filter(role=role)
    if users:
        found = found.filter(user_id__in=users)
    rows = found.values_list("user_id", "user__username", "role")[: limit + 1]
    people = [{"id": one, "name": name, "role": role} for one, name, role in rows]
    return Page(people[:limit], str(people[limit - 1]["id"]) if len(people) > limit else None)


_MINE, _PUBLIC = "m~", "p~"


def _mine(user: int, named: Q, after: str | None, limit: int, added_by: int | None) -> list[Row]:
    found = Membership.objects.filter(user_id=user, room__closed=False)
    if added_by is not None:
        found = found.filter(added_by=added_by)
    if named:
        found = found.filter(room__in=Room.objects.filter(named))
    if after:
        found = found.filter(_behind(after))
    rows = found.order_by(F("room__last_at").desc(nulls_last=True), "room__slug")
    # Tuples, because building 500 model instances of two kinds would block the event loop for longer than the query.
    return [Row(*row) for row in rows.values_list(*(f"room__{name}" for name in _ROOM), *_MEMBERSHIP)[:limit]]


def _others(user: int, named: Q, begin: str, limit: int) -> list[Row]:
    """Return public rooms without the person, in the order of their index."""
    found = Room.objects.filter(named, kind=Kind.PUBLIC, closed=False, slug__gt=begin).exclude(memberships__user_id=user)
    return [Row(*row) for row in found.order_by("slug").values_list(*_ROOM)[:limit]]


def _cursor_mine(room: Row) -> str:
    return f"{_MINE}{room.last_at.isoformat() if room.last_at else ''}~{room.slug}"


def _behind(cursor: str) -> Q:
    """Return the filter for rooms after the cursor in the order of `_mine`."""
    kind, _, rest = cursor.partition("~")
    moment, parted, slug = rest.partition("~")
    silent = Q(room__last_at=None)
    at = None
    try:
        if moment:
            at = datetime.fromisoformat(moment)
            at.astimezone(UTC)  # the first and the last day in another zone may be beyond its years
    except (ValueError, OverflowError):
        parted = ""
    if kind + "~" != _MINE or not parted or (at is not None and at.tzinfo is None):
        raise BadFrame("after: hand back `next` as it came")
    if at is None:
        return silent & Q(room__slug__gt=slug)
    return silent | Q(room__last_at__lt=at) | Q(room__last_at=at, room__slug__gt=slug)


def _shown(user: int, rooms: list[Row]) -> list[dict[str, Any]]:
    peers = _peers(user, [room.id for room in rooms if room.kind == Kind.DIRECT])
    counts = member_counts([room.id for room in rooms])
    mentions = _mentions(user, [room.id for room in rooms])
    adders = _people({room.added_by for room in rooms if room.added_by is not None})
    return [
        {
            "slug": room.slug,
            "title": room.title or room.slug,
            "kind": room.kind,
            "private": room.kind != Kind.PUBLIC,
            "head": room.head,
            "member": room.role is not None,
            "upto": room.last_read_seq,
            "unread": room.unread,
            "mentions": mentions.get(room.id, 0),
            "member_count": counts[room.id],
            "peer": peers.get(room.id),
            "role": room.role,
            "joined_at": room.joined_at,
            "added_by": adders.get(room.added_by or 0),
            "last_at": room.last_at,
        }
        for room in rooms
    ]


def _mentions(user: int, rooms: list[int]) -> dict[int, int]:
    """Count the unread messages of each room that name the person."""
    found = Mention.objects.filter(
        user_id=user, room_id__in=rooms, room__memberships__user_id=user, seq__gt=F("room__memberships__last_read_seq")
    )
    return dict(found.values_list("room_id").annotate(Count("id")))


def _people(ids: set[int]) -> dict[int, dict[str, Any]]:
    found = User.objects.filter(id__in=ids).values_list("id", "username") if ids else ()
    return {one: {"id": one, "name": name} for one, name in found}


def _peers(user: int, rooms: list[int]) -> dict[int, dict[str, Any]]:
    """Return the other person of each direct room."""
    if not rooms:
        return {}
    found = Membership.objects.filter(room_id__in=rooms).exclude(user_id=user)
    return {room: {"id": one, "name": name} for room, one, name in found.values_list("room_id", "user_id", "user__username")}
