"""/api/rooms: list, create, read, change, members."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field, StrictBool, StrictInt

from accounts.http_auth import authenticated
from accounts.models import User
from accounts.people import person
from ops import database
from realtime.publish import member_added, revoked, room_updated
from rooms import access, listing, services
from rooms.models import Membership

router = Router(tags=["rooms"], auth=authenticated)


Title = Annotated[str, Field(max_length=120, pattern=r"^[^\x00]*$")]
"""Without NUL, which Postgres does not take."""
PersonId = Annotated[int, Field(ge=1, le=2**53)]


class RoomIn(Schema):
    slug: str
    title: Title = ""
    private: StrictBool = False


class RoomChange(Schema):
    title: Title | None = None
    private: StrictBool | None = None


class MemberIn(Schema):
    user: Annotated[StrictInt, Field(ge=1, le=2**53)] | Annotated[str, Field(pattern=r"^[^\x00]+$")]


@router.get("", summary="Rooms I am in, and public ones I may join")
async def room_list(request: HttpRequest) -> dict[str, Any]:
    return {"rooms": await database.run_for(_me(request), listing.rooms_for, _me(request))}


@router.post("", response={201: dict[str, Any]}, summary="Make a room")
async def room_create(request: HttpRequest, payload: RoomIn) -> tuple[int, dict[str, Any]]:
    me = _me(request)
    room = await database.run_for(
        me, services.room_create, slug=payload.slug, title=payload.title, private=payload.private, owner=me
    )
    member_added(access.ref(room), [me], access.details(room))
    return 201, await database.run_for(me, listing.room_for, me, room.slug)


@router.get("/{slug}", summary="One room")
async def room_read(request: HttpRequest, slug: str) -> dict[str, Any]:
    return await database.run_for(_me(request), listing.room_for, _me(request), slug)


@router.patch("/{slug}", summary="Change a room's title or privacy")
async def room_change(request: HttpRequest, slug: str, payload: RoomChange) -> dict[str, Any]:
    changes = {name: value for name, value in payload.dict(exclude_unset=True).items() if value is not None}
    room = await database.run_for(_me(request), services.room_change, slug=slug, user=_me(request), changes=changes)
    room_updated(access.ref(room), access.details(room))
    return await database.run_for(_me(request), listing.room_for, _me(request), slug)


@router.get("/{slug}/members", summary="Who is a member")
async def member_list(request: HttpRequest, slug: str) -> dict[str, Any]:
    return {"members": await database.run_for(_me(request), listing.members_of, _me(request), slug)}


@router.post("/{slug}/members", response={201: dict[str, Any]}, summary="Invite somebody")
async def member_add(request: HttpRequest, slug: str, payload: MemberIn) -> tuple[int, dict[str, Any]]:
    def add() -> tuple[Membership, bool, User]:
        user = person(payload.user)
        return *services.member_add(slug=slug, by=_me(request), user=user.id), user

    found, new, user = await database.run_for(_me(request), add)
    if new:
        room = found.room
        member_added(access.ref(room), [user.id], access.details(room), head=room.head, upto=found.upto)
    return 201, {"id": user.id, "name": user.username, "role": found.role}


@router.delete("/{slug}/members/{user}", response={204: None}, summary="Remove somebody, or leave")
async def member_remove(request: HttpRequest, slug: str, user: PersonId) -> tuple[int, None]:
    revoked(await database.run_for(_me(request), services.member_remove, slug=slug, by=_me(request), user=user))
    return 204, None


def _me(request: HttpRequest) -> int:
    return int(request.auth[0].id)  # type: ignore[attr-defined]
