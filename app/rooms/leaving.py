"""Leave rooms, remove people, and keep an owner in each room.

Synchronous; the caller publishes the result.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef

from changes import journal
from core.errors import Forbidden, NoSuchTarget
from core.words import words as _
from realtime.publish import Revoked
from rooms import access, slugs
from rooms.models import Kind, Membership, Role, Room

# Rooms left in one call.
MANY = 500


class OwnershipConflict(Exception):
    """The change would leave the room without an owner.

    HTTP only: no frame ends a membership.
    """

    code = ""


class LastMember(OwnershipConflict):
    """The last member would leave a private room.

    The room could then never be entered again. `confirm` allows it.
    """

    code = "last_member"


class LastOwner(OwnershipConflict):
    """The room would have members but no owner."""

    code = "last_owner"


class Left(NamedTuple):
    """The ended memberships, and the rooms with a new owner."""

    gone: list[Revoked]
    changed: list[Room]


class LeftMany(NamedTuple):
    left: Left
    # Slugs of direct rooms, and of private rooms with the person as last member.
    kept: list[str]
    # Whether rooms remain after MANY.
    more: bool


def member_remove(*, slug: str, by: int, user: int, confirm: bool = False) -> Left:
    """Remove a member, or oneself.

    Raises NoSuchRoom, NotAMember, NoSuchTarget, Forbidden, LastMember without `confirm`.
    """
    mine = access.membership_in(by, slug)
    if mine.room.kind == Kind.DIRECT:
        raise Forbidden(_("a direct room keeps its two people"))
    if user != by and mine.role != Role.OWNER:
        raise Forbidden(_("only an owner removes others"))
    if user == by and not confirm and _is_last_of_private(mine):
        raise LastMember(_("you are the last member: no person can enter this private room again; confirm to leave it"))
    if user == by:
        return _leave([mine], "left")
    found = Membership.objects.filter(room=mine.room, user_id=user).select_related("room").first()
    if found is None:
        raise NoSuchTarget(_("that person is not a member"))
    return _leave([found], "removed")


def rooms_leave(*, user: int, rooms: list[str] | None = None, added_by: int | None = None, confirm: bool = False) -> LeftMany:
    """Leave the rooms of these slugs, or all rooms `added_by` has added the person to.

    At most MANY in one call.
    """
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
    """Change a member's role to owner or member.

    Raises NoSuchRoom, NotAMember, NoSuchTarget, Forbidden, LastOwner.
    """
    mine = access.membership_in(by, slug)
    if mine.room.kind == Kind.DIRECT:
        raise Forbidden(_("a direct room has no owner"))
    if mine.role != Role.OWNER:
        raise Forbidden(_("only an owner makes owners"))
    with transaction.atomic():
        _lock(mine.room)
        found = Membership.objects.filter(room=mine.room, user_id=user).select_related("user").first()
        if found is None:
            raise NoSuchTarget(_("that person is not a member"))
        found.room = mine.room
        if role == Role.MEMBER and not _owners(mine.room).exclude(user_id=user).exists():
            raise LastOwner(_("a room keeps one owner: make another member an owner first"))
        found.role = role
        found.save(update_fields=["role"])
    return found


def ownership_transfer(*, user: int) -> list[Room]:
    """Give each room owned only by this shut-out person another owner.

    Return the rooms.
    """
    owned = Membership.objects.filter(user_id=user, role=Role.OWNER).select_related("room").order_by("id")
    changed = []
    for one in owned.iterator(chunk_size=MANY):
        with transaction.atomic():
            if _keep_an_owner(one.room):
                changed.append(one.room)
    return changed


def _leave(memberships: list[Membership], reason: str) -> Left:
    memberships = sorted(memberships, key=lambda one: one.room_id)  # lock rooms in the order of their ids, as everywhere
    with transaction.atomic():
        if reason == "left":
            journal.note_left([(one.user_id, one.room_id, one.room.slug) for one in memberships])
        Membership.objects.filter(id__in=[one.id for one in memberships]).delete()
        changed = [one.room for one in memberships if one.role == Role.OWNER and _keep_an_owner(one.room)]
    return Left([Revoked(one.user_id, room=access.to_ref(one.room), reason=reason) for one in memberships], changed)


def _keep_an_owner(room: Room) -> bool:
    """Make the longest-standing member owner if there is none.

    Return whether it did.
    """
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
    """Lock the room.

    Two owners leaving at the same time would each count on the other.
    """
    list(Room.objects.select_for_update().filter(id=room.id).values_list("id"))


def _is_last_of_private(membership: Membership) -> bool:
    others = Membership.objects.filter(room=membership.room).exclude(id=membership.id)
    return membership.room.kind == Kind.PRIVATE and not others.exists()


def _is_alone(membership: Any) -> bool:
    return membership.room.kind == Kind.PRIVATE and not membership.others
