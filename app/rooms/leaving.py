"""Leaving rooms, removing people, and who owns a room afterwards. Synchronous; the caller publishes the result."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef

from changes import journal
from core.errors import Forbidden, NoSuchTarget
from realtime.publish import Revoked
from rooms import access, slugs
from rooms.models import Kind, Membership, Role, Room

# Rooms left with one call.
MANY = 500


class OwnershipConflict(Exception):
    """The room would be left to nobody. Known to HTTP only: no frame ends a membership."""

    code = ""


class LastMember(OwnershipConflict):
    """Nobody could come into the private room again. The same call with `confirm` leaves it all the same."""

    code = "last_member"


class LastOwner(OwnershipConflict):
    """The room would have members and no owner."""

    code = "last_owner"


class Left(NamedTuple):
    """What ended, and the rooms that have another owner now."""

    gone: list[Revoked]
    changed: list[Room]


class LeftMany(NamedTuple):
    left: Left
    # Slugs of direct rooms, and of private rooms whose last member the person is.
    kept: list[str]
    # Whether there are more rooms to leave than one call takes.
    more: bool


def member_remove(*, slug: str, by: int, user: int, confirm: bool = False) -> Left:
    """Removes somebody, or oneself. Raises NoSuchRoom, NotAMember, NoSuchTarget, Forbidden, LastMember without `confirm`."""
    mine = access.membership_in(by, slug)
    if mine.room.kind == Kind.DIRECT:
        raise Forbidden("a direct room keeps its two people")
    if user != by and mine.role != Role.OWNER:
        raise Forbidden("only an owner removes others")
    if user == by and not confirm and _is_last_of_private(mine):
        raise LastMember("you are the last member: nobody can come into this private room again; confirm to leave it")
    if user == by:
        return _leave([mine], "left")
    found = Membership.objects.filter(room=mine.room, user_id=user).select_related("room").first()
    if found is None:
        raise NoSuchTarget("that person is not a member")
    return _leave([found], "removed")


def rooms_leave(*, user: int, rooms: list[str] | None = None, added_by: int | None = None, confirm: bool = False) -> LeftMany:
    """Leaves the rooms of these slugs, or all that `added_by` has added the person to; MANY at most."""
    mine = Membership.objects.filter(user_id=user).select_related("room").order_by("id")
    if rooms is not None:
        mine = mine.filter(room__slug__in=[normal for slug in rooms if (normal := slugs.normalised(slug))])
    else:
        mine = mine.filter(added_by=added_by)
    if not confirm:
        others = Membership.objects.filter(room=OuterRef("room")).exclude(user_id=user)
        mine = mine.annotate(others=Exists(others))
    found = list(mine[: MANY + 1])
    stays = [one for one in found[:MANY] if one.room.kind == Kind.DIRECT or (not confirm and _is_alone(one))]
    goes = [one for one in found[:MANY] if one not in stays]
    return LeftMany(_leave(goes, "left"), [one.room.slug for one in stays], more=len(found) > MANY)


def member_change(*, slug: str, by: int, user: int, role: str) -> Membership:
    """Makes a member an owner, or an owner a member. Raises NoSuchRoom, NotAMember, NoSuchTarget, Forbidden, LastOwner."""
    mine = access.membership_in(by, slug)
    if mine.room.kind == Kind.DIRECT:
        raise Forbidden("a direct room has no owner")
    if mine.role != Role.OWNER:
        raise Forbidden("only an owner makes owners")
    with transaction.atomic():
        _lock(mine.room)
        found = Membership.objects.filter(room=mine.room, user_id=user).select_related("user").first()
        if found is None:
            raise NoSuchTarget("that person is not a member")
        found.room = mine.room
        if role == Role.MEMBER and not _owners(mine.room).exclude(user_id=user).exists():
            raise LastOwner("a room keeps one owner: make somebody else an owner first")
        found.role = role
        found.save(update_fields=["role"])
    return found


def ownership_pass_on(*, user: int) -> list[Room]:
    """For somebody who is shut out: each room they alone own gets another owner besides. Returns the rooms."""
    owned = Membership.objects.filter(user_id=user, role=Role.OWNER).select_related("room").order_by("id")
    changed = []
    for one in owned.iterator(chunk_size=MANY):
        with transaction.atomic():
            if _keep_an_owner(one.room):
                changed.append(one.room)
    return changed


def _leave(memberships: list[Membership], reason: str) -> Left:
    memberships = sorted(memberships, key=lambda one: one.room_id)  # rooms are locked in the order of their ids everywhere
    with transaction.atomic():
        if reason == "left":
            journal.note_left([(one.user_id, one.room_id, one.room.slug) for one in memberships])
        Membership.objects.filter(id__in=[one.id for one in memberships]).delete()
        changed = [one.room for one in memberships if one.role == Role.OWNER and _keep_an_owner(one.room)]
    return Left([Revoked(one.user_id, room=access.ref(one.room), reason=reason) for one in memberships], changed)


def _keep_an_owner(room: Room) -> bool:
    """When the last owner went, the member who has been there longest becomes one. Whether there is a new owner."""
    _lock(room)
    if _owners(room).exists():
        return False
    heir = Membership.objects.filter(room=room, user__is_active=True).order_by("id").first()
    if heir is None:
        return False
    heir.role = Role.OWNER
    heir.save(update_fields=["role"])
    return True


def _owners(room: Room) -> Any:
    return Membership.objects.filter(room=room, role=Role.OWNER, user__is_active=True)


def _lock(room: Room) -> None:
    """Two owners who leave at once would each see the other."""
    list(Room.objects.select_for_update().filter(id=room.id).values_list("id"))


def _is_last_of_private(membership: Membership) -> bool:
    others = Membership.objects.filter(room=membership.room).exclude(id=membership.id)
    return membership.room.kind == Kind.PRIVATE and not others.exists()


def _is_alone(membership: Any) -> bool:
    return membership.room.kind == Kind.PRIVATE and not membership.others
