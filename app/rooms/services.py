"""Writes of rooms and memberships. Synchronous, in a database thread; what they return is published by the caller."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from realtime.errors import BadFrame, Forbidden, NoSuchRoom, NoSuchTarget, NotAMember
from realtime.publish import Revoked
from rooms import access, slugs
from rooms.models import Kind, Membership, Removal, Role, Room


class SlugTaken(Exception):
    """Another room has this slug."""


def room_create(*, slug: str, title: str, private: bool, owner: int) -> Room:
    """A room with its owner as first member. Raises BadFrame for a bad slug, SlugTaken."""
    normal = slugs.normalised(slug)
    if normal is None:
        raise BadFrame("slug: 1 to 64 letters, digits, _ and -")
    if slugs.is_direct(normal):
        raise BadFrame("slug: names like dm-1-2 are kept for direct rooms")
    try:
        with transaction.atomic():
            kind = Kind.PRIVATE if private else Kind.PUBLIC
            room = Room.objects.create(slug=normal, title=title.strip(), kind=kind)
            Membership.objects.create(room=room, user_id=owner, role=Role.OWNER)
    except IntegrityError as error:
        raise SlugTaken(normal) from error
    return room


def room_change(*, slug: str, user: int, changes: dict[str, Any]) -> Room:
    """Changes `title` and `private`. Raises NoSuchRoom, NotAMember, or Forbidden for others than its owner."""
    found = access.membership_in(user, slug)
    room = found.room
    if found.role != Role.OWNER or room.kind == Kind.DIRECT:
        raise Forbidden("only an owner changes a room")
    if "title" in changes:
        room.title = changes["title"].strip()
    if "private" in changes:
        room.kind = Kind.PRIVATE if changes["private"] else Kind.PUBLIC
    room.save(update_fields=["title", "kind"])
    return room


def room_enter(*, slug: str, user: int, create: bool = False) -> tuple[Membership, bool]:
    """The membership joining gives, and whether it is new. Raises NoSuchRoom, or NotAMember for a room one is invited to."""
    try:
        return access.membership_in(user, slug), False
    except NotAMember:
        if slugs.is_direct(slug):
            raise
        room = access.room_by_slug(slug)
        if room.kind != Kind.PUBLIC:
            raise
    except NoSuchRoom:
        if not (create and settings.ROOMS_ON_FIRST_USE):
            raise
        room = _first_use(slug, user)
    return _become_member(room, user)


def _first_use(slug: str, user: int) -> Room:
    try:
        return room_create(slug=slug, title="", private=False, owner=user)
    except SlugTaken:
        return access.room_by_slug(slug)
    except BadFrame as error:
        raise NoSuchRoom(error.message) from error


def room_direct(*, user: int, other: int) -> tuple[Room, bool]:
    """The direct room of two people, and whether it was made now. Raises Forbidden for oneself, NoSuchTarget."""
    if user == other:
        raise Forbidden("a direct message needs somebody else")
    slug = slugs.direct(user, other)
    room = Room.objects.filter(slug=slug).first()
    if room is not None:
        return room, False
    try:
        with transaction.atomic():
            room = Room.objects.create(slug=slug, kind=Kind.DIRECT)
            Membership.objects.bulk_create([Membership(room=room, user_id=one) for one in (user, other)])
    except IntegrityError as error:  # somebody else made it in between, or there is no such person
        room = Room.objects.filter(slug=slug).first()
        if room is None:
            raise NoSuchTarget("there is no such person") from error
        return room, False
    return room, True


def member_add(*, slug: str, by: int, user: int) -> tuple[Membership, bool]:
    """Invites somebody. Raises NoSuchRoom, NotAMember, Forbidden in a direct room."""
    room = access.membership_in(by, slug).room
    if room.kind == Kind.DIRECT:
        raise Forbidden("a direct room is for two")
    return _become_member(room, user)


def _become_member(room: Room, user: int) -> tuple[Membership, bool]:
    """The membership, its room loaded, and whether it is new. What was written before one came counts as read."""
    membership, new = Membership.objects.get_or_create(room=room, user_id=user, defaults={"upto": room.head})
    membership.room = room  # fetched without it when somebody else made it in between
    return membership, new


def member_remove(*, slug: str, by: int, user: int) -> Revoked:
    """Removes somebody, or oneself. Raises NoSuchRoom, NotAMember, NoSuchTarget, Forbidden."""
    mine = access.membership_in(by, slug)
    if mine.room.kind == Kind.DIRECT:
        raise Forbidden("a direct room keeps its two people")
    if user != by and mine.role != Role.OWNER:
        raise Forbidden("only an owner removes others")
    with transaction.atomic():
        if not Membership.objects.filter(room=mine.room, user_id=user).delete()[0]:
            raise NoSuchTarget("that person is not a member")
        _keep_an_owner(mine.room)
        gone = _revoked(Removal.objects.create(room=mine.room, user_id=user))
    return gone._replace(reason="left" if user == by else "removed")


def _keep_an_owner(room: Room) -> None:
    """When the last owner went, whoever has been there longest can change the room."""
    members = Membership.objects.filter(room=room)
    if not members.filter(role=Role.OWNER).exists() and (heir := members.order_by("id").first()) is not None:
        heir.role = Role.OWNER
        heir.save(update_fields=["role"])


def removed_since(moment: datetime) -> list[Revoked]:
    """Who was removed after `moment` and is not a member again: for hubs that a signal did not reach."""
    rows = Removal.objects.filter(at__gt=moment).select_related("room").order_by("id")
    members = access.members_among((row.room_id, row.user_id) for row in rows)
    return [_revoked(row) for row in rows if (row.room_id, row.user_id) not in members]


def removals_prune() -> None:
    """Deletes what every process has heard of."""
    Removal.objects.filter(at__lt=timezone.now() - timedelta(hours=1)).delete()


def _revoked(row: Removal) -> Revoked:
    return Revoked(id=f"removal:{row.id}", user=row.user_id, room=access.ref(row.room))


def member_read(*, membership: Membership, upto: int) -> int:
    """Moves the read mark forward, never back and never past the head; returns where it stands."""
    upto = min(upto, membership.room.head)
    Membership.objects.filter(id=membership.id).update(upto=Greatest(F("upto"), upto))
    return max(upto, membership.upto)
