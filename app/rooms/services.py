"""Write rooms and memberships.

Synchronous, in a database thread; the caller publishes the result.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from core.errors import BadFrame, Forbidden, NoSuchRoom, NoSuchTarget, NotAMember, RateLimited, TooLong
from core.lookalikes import MAX_MARKS, look_of, mark_flood, shown_text
from core.words import words as _
from rooms import access, blocks, quotas, slugs
from rooms.models import MAX_TITLE, Kind, Membership, Mention, Removal, Role, Room

# The room of the first migration. It never gets an owner.
LOBBY = "lobby"


class SlugTaken(Exception):
    """Another room has this slug, or a slug that looks like it."""

    def __init__(self, slug: str, *, alike: bool = False) -> None:
        known = _("there is a room {room} already", room=slug)
        super().__init__(_("there is a room that looks like {room} already", room=slug) if alike else known)
        self.alike = alike


def room_create(*, slug: str, title: str, private: bool, owner: int) -> Room:
    """Create a room with its owner as first member.

    Raises BadFrame for a bad slug or title, SlugTaken, RateLimited above a quota.
    """
    normal, objection = slugs.normalised(slug), slugs.objection_to(slug)
    if normal is None or objection:
        raise BadFrame(_("slug: {reason}", reason=objection))
    title = checked_title(title)
    kind = Kind.PRIVATE if private else Kind.PUBLIC
    try:
        with transaction.atomic():
            _spend_room(owner)
            room = Room.objects.create(slug=normal, look=look_of(normal), title=title, kind=kind)
            Membership.objects.create(room=room, user_id=owner, role=Role.OWNER)
    except IntegrityError as error:
        raise SlugTaken(normal, alike=not Room.objects.filter(slug=normal).exists()) from error
    return room


def _spend_room(user: int) -> None:
    quotas.spend(user=user, what="rooms", limit=settings.LIMIT_ROOMS_PER_H, period_s=quotas.HOUR_S)
    most = settings.LIMIT_ROOMS_PER_USER
    if most and Membership.objects.filter(user_id=user, role=Role.OWNER)[:most].count() >= most:
        raise RateLimited(_("you own {most} rooms, and a person may own no more", most=most), retry_after=quotas.HOUR_S)


def checked_title(title: str) -> str:
    """Return the title in its stored form.

    Two rooms may share a title.

    Raises BadFrame or TooLong.
    """
    shown = shown_text(title)
    # A title is text: it may begin with a mark and mix scripts.
    if mark_flood(shown):
        raise BadFrame(_("title: at most {most} marks may stand on a letter", most=MAX_MARKS))
    if len(shown) > MAX_TITLE:  # composing may make one character three
        raise TooLong(_("{name} has {count} characters, the limit is {most}", name=_("title"), count=len(shown), most=MAX_TITLE))
    return shown


def room_change(*, slug: str, user: int, changes: dict[str, Any]) -> Room:
    """Change `title` and `private`.

    Raises NoSuchRoom, NotAMember, or Forbidden for non-owners.
    """
    found = access.membership_in(user, slug)
    room = found.room
    if found.role != Role.OWNER or room.kind == Kind.DIRECT:
        raise Forbidden(_("only an owner changes a room"))
    if "title" in changes:
        room.title = checked_title(changes["title"])
    if "private" in changes:
        room.kind = Kind.PRIVATE if changes["private"] else Kind.PUBLIC
    room.save(update_fields=["title", "kind"])
    return room


def rooms_close(*, rooms: list[int]) -> None:
    """Hide these rooms from everyone; the background worker deletes them."""
    Room.objects.filter(id__in=rooms).update(closed=True)


def owner_put(*, room: Room, user: int) -> tuple[Membership, bool]:
    """Make a person an owner, member or not.

    Return also whether the membership is new.

    For administrators.
    """
    with transaction.atomic():
        membership, new = _become_member(room, user)
        Membership.objects.filter(id=membership.id).update(role=Role.OWNER)
    return membership, new


def room_enter(*, slug: str, user: int, create: bool = False) -> tuple[Membership, bool]:
    """Join a room; return the membership and whether it is new.

    Raises NoSuchRoom, or NotAMember for a room by invitation only.
    """
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
    except SlugTaken as error:
        if error.alike:
            raise NoSuchRoom(error.args[0]) from error
        return access.room_by_slug(slug)
    except BadFrame as error:
        raise NoSuchRoom(error.args[0]) from error


def room_direct(*, user: int, other: int) -> tuple[Room, bool]:
    """Return the direct room of two people, and whether this call created it.

    Raises Forbidden for oneself or when `other` has blocked the user, NoSuchTarget, or RateLimited above the quota.
    """
    if user == other:
        raise Forbidden(_("you cannot send a direct message to yourself"))
    slug = slugs.direct(user, other)
    room = Room.objects.filter(slug=slug).first()
    if room is not None:
        return room, False
    try:
        with transaction.atomic():
            blocks.pair_lock(user, other)
            if blocks.is_blocked(by=other, user=user):
                raise Forbidden(_("this person does not take messages from you"))
            quotas.spend(user=user, what="rooms", limit=settings.LIMIT_ROOMS_PER_H, period_s=quotas.HOUR_S)
            room = Room.objects.create(slug=slug, kind=Kind.DIRECT)
            silenced = blocks.is_blocked(by=user, user=other)
            pair = Membership(room=room, user_id=user), Membership(room=room, user_id=other, silenced=silenced)
            Membership.objects.bulk_create(pair)
    except IntegrityError as error:  # it was created in between, or the person does not exist
        room = Room.objects.filter(slug=slug).first()
        if room is None:
            raise NoSuchTarget(_("there is no such person")) from error
        return room, False
    return room, True


def member_add(*, slug: str, by: int, user: int) -> tuple[Membership, bool]:
    """Invite a person.

    Raises NoSuchRoom, NotAMember, RateLimited, Forbidden in a direct room or if they have blocked the inviter.
    """
    room = access.membership_in(by, slug).room
    if room.kind == Kind.DIRECT:
        raise Forbidden(_("a direct room is for two"))
    known = Membership.objects.filter(room=room, user_id=user).first()
    if known is not None:
        known.room = room
        return known, False
    if blocks.is_blocked(by=user, user=by):
        raise Forbidden(_("this person does not take invitations from you"))
    with transaction.atomic():
        _spend_invitation(by, user)
        return _become_member(room, user, added_by=by)


def _spend_invitation(by: int, user: int) -> None:
    quotas.spend(user=by, what="invitations", limit=settings.LIMIT_INVITES_PER_H, period_s=quotas.HOUR_S)
    what = f"invitations of one person:{user}"
    quotas.spend(user=by, what=what, limit=settings.LIMIT_INVITES_PER_PERSON, period_s=quotas.DAY_S)


def _become_member(room: Room, user: int, added_by: int | None = None) -> tuple[Membership, bool]:
    """Return the membership with its room, and whether it is new.

    Earlier messages count as read.

    The first to join an abandoned room owns it.
    """
    owns = room.slug != LOBBY and Room.objects.filter(is_deserted(), id=room.id).exists()
    role = Role.OWNER if owns else Role.MEMBER
    values = {"last_read_seq": room.head, "uncounted": room.uncounted, "added_by": added_by, "role": role}
    with transaction.atomic():
        membership, new = Membership.objects.get_or_create(room=room, user_id=user, defaults=values)
        if new and not owns and (room.id, user) in adopt([(room, user)]):
            membership.role = Role.OWNER
    membership.room = room  # fetched without its room if it was inserted in between
    return membership, new


def adopt(came: Iterable[tuple[Room, int]]) -> set[tuple[int, int]]:
    """Make new members owners of rooms whose last owner has just left.

    Returns (room id, user id) of each new owner. Call it in the transaction that made the memberships: a person who leaves locks
    the room, and an insert waits for that lock, so this reads the members without them.
    """
    first = {room.id: user for room, user in reversed([*came]) if room.slug != LOBBY}
    if not first:
        return set()
    owners = Membership.objects.filter(room=OuterRef("id"), role=Role.OWNER, user__is_active=True)
    found = {(room, first[room]) for room in Room.objects.filter(~Exists(owners), id__in=first).values_list("id", flat=True)}
    for room, user in found:
        Membership.objects.filter(room_id=room, user_id=user).update(role=Role.OWNER)
    return found


def is_deserted() -> Any:
    """Return a query condition: the room has no members, so the next to join owns it."""
    return ~Exists(Membership.objects.filter(room=OuterRef("id"), user__is_active=True))


def removals_prune() -> None:
    """Delete removals that every process has handled."""
    Removal.objects.filter(at__lt=timezone.now() - timedelta(hours=1)).delete()


def member_read(*, membership: Membership, last_read_seq: int, uncounted: int) -> None:
    """Move the read mark forward, never back.

    `uncounted`: how many events up to it do not count as unread.
    """
    older = Membership.objects.filter(id=membership.id, last_read_seq__lt=last_read_seq)
    older.update(last_read_seq=last_read_seq, uncounted=uncounted)
    Mention.objects.filter(user_id=membership.user_id, room_id=membership.room_id, seq__lte=last_read_seq).delete()
