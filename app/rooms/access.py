"""The one membership check: at every join, resume and send. Synchronous, in a database thread, but for what a Lookup asks."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import F, QuerySet

from ops.questions import Among, Answer
from realtime.errors import NoSuchRoom, NotAMember
from realtime.publish import RoomDetails, RoomRef
from rooms import slugs
from rooms.models import Kind, Membership, Room


def room_by_slug(slug: str) -> Room:
    """Raises NoSuchRoom, naming the slug."""
    normal = slugs.normalised(slug)
    room = Room.objects.filter(slug=normal, closed=False).first() if normal else None
    if room is None:
        raise NoSuchRoom(f"there is no room {slug[:64]!r}")
    return room


def membership_in(user: int, slug: str) -> Membership:
    """The person's membership, its room loaded. Raises NoSuchRoom or NotAMember."""
    normal = slugs.normalised(slug)
    found = None
    if normal:
        found = Membership.objects.filter(room__slug=normal, room__closed=False, user_id=user).select_related("room").first()
    if found is None:
        if normal and slugs.is_direct(normal):  # there or not: who writes to whom is nobody else's business
            raise NotAMember(f"you are not a member of {normal}")
        room = room_by_slug(slug)
        raise NotAMember(f"you are not a member of {room.slug}")
    return found


def members_among(pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of `(room id, user id)` that are memberships, in one query."""
    return _among(pairs, Membership.objects.all())


def writers_among(pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of `(room id, user id)` who may write, in one query: the check inside a group commit."""
    return _among(pairs, Membership.objects.filter(silenced=False))


def _among(pairs: Iterable[tuple[int, int]], memberships: QuerySet[Membership]) -> set[tuple[int, int]]:
    wanted = set(pairs)
    found = memberships.filter(room_id__in={room for room, _ in wanted}, user_id__in={user for _, user in wanted}).values_list(
        "room_id", "user_id"
    )
    return wanted & set(found)


def rooms_of_all(users: list[int]) -> Answer[dict[int, list[tuple[RoomRef, int]]]]:
    """Every room each person is a member of with their read mark, the most recently active first."""
    found = yield _ROOMS(users)
    rooms: dict[int, list[tuple[RoomRef, int]]] = {}
    for user, room, slug, kind, upto in found:
        rooms.setdefault(user, []).append((RoomRef(room, slug, kind == Kind.DIRECT), upto))
    return rooms


_ROOMS = Among(
    "user_id",
    lambda: Membership.objects.order_by(F("room__last_at").desc(nulls_last=True), "room__slug").values_list(
        "user_id", "room_id", "room__slug", "room__kind", "upto"
    ),
)


def details(room: Room) -> RoomDetails:
    """The fields of a room that its members' sockets are sent; the title is empty where it has none."""
    return {"title": room.title, "kind": room.kind, "private": room.kind != Kind.PUBLIC}


def ref(room: Room) -> RoomRef:
    return RoomRef(room.id, room.slug, room.kind == Kind.DIRECT)
