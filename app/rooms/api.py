"""/api/rooms: list, create, read, change, members."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from django.http import HttpRequest
from ninja import Query as Parameter
from ninja import Router
from pydantic import Field

from accounts.http_auth import authenticated, user_id
from accounts.models import User
from accounts.people import find_user
from core.api_types import Body, Person, answers
from core.errors import BadFrame
from db import database
from realtime.publish import Head, changed, member_added, revoked
from rooms import access, leaving, listing, services, slugs
from rooms.models import MAX_TITLE, Membership

router = Router(tags=["rooms"], auth=authenticated)
# Mounted at /api/leave: every name below /api/rooms/ belongs to a room.
many = Router(tags=["rooms"], auth=authenticated)


# Without NUL, which Postgres refuses.
Title = Annotated[str, Field(max_length=MAX_TITLE, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, Field(ge=1, le=listing.PAGE_MAX)]
Cursor = Annotated[str, Field(max_length=listing.CURSOR_MAX, pattern=r"^[^\x00]*$")]
Query = Annotated[str, Field(max_length=120, pattern=r"^[^\x00]*$")]
Slug = Annotated[str, Field(max_length=slugs.MAX_STORED)]
PersonId = Annotated[int, Field(ge=1, le=2**53)]
Kind = Literal["public", "private", "direct"]
Role = Literal["owner", "member"]


class RoomOut(msgspec.Struct):
    slug: str
    title: str
    kind: Kind
    private: bool
    head: int
    member: bool
    last_read_seq: int = msgspec.field(name="upto")
    unread: int
    mentions: int
    member_count: int
    peer: Person | None
    role: Role | None
    joined_at: datetime | None
    added_by: Person | None
    last_at: datetime | None


class RoomPage(msgspec.Struct):
    rooms: list[RoomOut]
    more: bool
    # The next page's `after`.
    next: str | None


class MemberOut(Person):
    role: Role


class MemberPage(msgspec.Struct):
    members: list[MemberOut]
    more: bool
    # The next page's `after`.
    next: str | None


class LeftOut(msgspec.Struct):
    left: list[str]
    kept: list[str]
    more: bool


class RoomIn(Body):
    slug: str
    title: Title = ""
    private: bool = False


class RoomChange(Body):
    title: Title | None = None
    private: bool | None = None


class MemberIn(Body):
    user: PersonId | Annotated[str, Field(pattern=r"^[^\x00]+$")]


class RoleIn(Body):
    role: Role


class LeaveIn(Body):
    rooms: Annotated[list[str], Field(max_length=leaving.MANY)] | None = None
    added_by: PersonId | None = None
    confirm: bool = False


@router.get("", summary="Rooms I am in, and public ones I may join", openapi_extra=answers(RoomPage))
async def room_list(
    request: HttpRequest,
    after: Cursor | None = None,
    limit: Limit = listing.PAGE,
    query: Query = "",
    member: bool | None = None,
    added_by: PersonId | None = None,
    room: Slug | None = None,
) -> dict[str, Any]:
    """List my rooms, then the public ones that I may join.

    My rooms come by activity, the latest first, the public ones by slug. `next` is the next page's `after`. `member` selects
    one of the two lists, `added_by` the rooms that the person with this id has added me to, `room` at most the room with this
    slug.
    """
    me = user_id(request)
    options: dict[str, Any] = {
        "after": after,
        "limit": limit,
        "query": query,
        "member": member,
        "added_by": added_by,
        "slug": room,
    }
    return (await database.run_for(me, listing.rooms_for, me, **options)).fields("rooms")


@router.post("", response={201: dict[str, Any]}, summary="Make a room", openapi_extra=answers(RoomOut, 201))
async def room_create(request: HttpRequest, payload: RoomIn) -> tuple[int, dict[str, Any]]:
    me = user_id(request)
    room = await database.run_for(
        me, services.room_create, slug=payload.slug, title=payload.title, private=payload.private, owner=me
    )
    member_added(access.to_ref(room), [me], access.details(room))
    return 201, await database.run_for(me, listing.room_for, me, room.slug)


@router.get("/{slug}", summary="One room", openapi_extra=answers(RoomOut))
async def room_read(request: HttpRequest, slug: str) -> dict[str, Any]:
    me = user_id(request)
    return await database.run_for(me, listing.room_for, me, slug)


@router.patch("/{slug}", summary="Change a room's title or privacy", openapi_extra=answers(RoomOut))
async def room_change(request: HttpRequest, slug: str, payload: RoomChange) -> dict[str, Any]:
    changes = {name: value for name, value in payload.dict(exclude_unset=True).items() if value is not None}
    me = user_id(request)
    await database.run_for(me, services.room_change, slug=slug, user=me, changes=changes)
    changed()
    return await database.run_for(me, listing.room_for, me, slug)


@router.get("/{slug}/members", summary="Who is a member", openapi_extra=answers(MemberPage))
async def member_list(
    request: HttpRequest,
    slug: str,
    after: Annotated[int, Field(ge=0, le=2**53)] = 0,
    limit: Limit = listing.PAGE,
    query: Query = "",
    begins: Query = "",
    role: Role | None = None,
    user: Annotated[list[PersonId], Parameter(max_length=100)] = [],  # noqa: B006  # never changed
) -> dict[str, Any]:
    """List members by id; `next` is the next page's `after`.

    `query`: part of the name; `begins`: its beginning; `user`, repeatable: only these.
    """
    me = user_id(request)
    options: dict[str, Any] = {"after": after, "limit": limit, "query": query, "begins": begins, "role": role, "users": user}
    return (await database.run_for(me, listing.members_of, me, slug, **options)).fields("members")


@router.post("/{slug}/members", response={201: dict[str, Any]}, summary="Invite a person", openapi_extra=answers(MemberOut, 201))
async def member_add(request: HttpRequest, slug: str, payload: MemberIn) -> tuple[int, dict[str, Any]]:
    def add() -> tuple[Membership, bool, User]:
        user = find_user(payload.user)
        return *services.member_add(slug=slug, by=user_id(request), user=user.id), user

    found, new, user = await database.run_for(user_id(request), add)
    if new:
        room = found.room
        mark = Head(found.last_read_seq, found.uncounted)
        member_added(access.to_ref(room), [user.id], access.details(room), head=room.head, last_read=mark)
    return 201, {"id": user.id, "name": user.username, "role": found.role}


@router.patch("/{slug}/members/{user}", summary="Make a member an owner, or an owner a member", openapi_extra=answers(MemberOut))
async def member_change(request: HttpRequest, slug: str, user: PersonId, payload: RoleIn) -> dict[str, Any]:
    me = user_id(request)
    found = await database.run_for(me, leaving.member_change, slug=slug, by=me, user=user, role=payload.role)
    changed()
    return {"id": found.user_id, "name": found.user.username, "role": found.role}


@router.delete("/{slug}/members/{user}", response={204: None}, summary="Remove a member, or leave")
async def member_remove(request: HttpRequest, slug: str, user: PersonId, confirm: bool = False) -> tuple[int, None]:
    """Remove a member.

    The last member of a private room needs `confirm`: the room is then closed to everyone.
    """
    me = user_id(request)
    _publish(await database.run_for(me, leaving.member_remove, slug=slug, by=me, user=user, confirm=confirm))
    return 204, None


@many.post("", summary="Leave many rooms", openapi_extra=answers(LeftOut))
async def rooms_leave(request: HttpRequest, payload: LeaveIn) -> dict[str, Any]:
    """Leave `rooms`, or all rooms that `added_by` has added me to.

    At most 500 with one call; `more` says that some are left.
    """
    if (payload.rooms is None) == (payload.added_by is None):
        raise BadFrame("give either rooms or added_by")
    me = user_id(request)

    def leave() -> leaving.LeftMany:
        return leaving.rooms_leave(user=me, rooms=payload.rooms, added_by=payload.added_by, confirm=payload.confirm)

    done = await database.run_for(me, leave)
    _publish(done.left)
    return {"left": [what.room.slug for what in done.left.gone if what.room], "kept": done.kept, "more": done.more}


def _publish(left: leaving.Left) -> None:
    for what in left.gone:
        revoked(what)
    if left.changed:
        changed()
