"""/api/blocks: the people I have blocked."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from accounts.http_auth import authenticated, user_id
from accounts.models import User
from accounts.people import find_user
from core.api_types import Body, Person, answers
from db import database
from realtime.publish import changed
from rooms import blocks
from rooms.models import Block

router = Router(tags=["blocks"], auth=authenticated)


class Blocked(msgspec.Struct):
    users: list[Person]


class BlockIn(Body):
    user: Annotated[int, Field(ge=1, le=2**53)] | Annotated[str, Field(pattern=r"^[^\x00]+$")]


@router.get("", summary="People I have blocked", openapi_extra=answers(Blocked))
async def block_list(request: HttpRequest) -> dict[str, Any]:
    """List all of them by name: at most 1,000."""

    def read() -> list[dict[str, Any]]:
        found = Block.objects.filter(user_id=user_id(request)).order_by("blocked__username")
        return [{"id": one, "name": name} for one, name in found.values_list("blocked_id", "blocked__username")]

    return {"users": await database.run_for(user_id(request), read)}


@router.post("", response={201: dict[str, Any]}, summary="Block a person", openapi_extra=answers(Person, 201))
async def block_add(request: HttpRequest, payload: BlockIn) -> tuple[int, dict[str, Any]]:
    """Block a person.

    They can no longer add me to rooms, open a direct room with me or write into ours.
    """

    def add() -> User:
        user = find_user(payload.user)
        blocks.block_add(user=user_id(request), blocked=user.id)
        return user

    user = await database.run_for(user_id(request), add)
    changed()
    return 201, {"id": user.id, "name": user.username}


@router.delete("/{user}", response={204: None}, summary="End a block")
async def block_remove(request: HttpRequest, user: Annotated[int, Field(ge=1, le=2**53)]) -> tuple[int, None]:
    me = user_id(request)
    await database.run_for(me, blocks.block_remove, user=me, blocked=user)
    changed()
    return 204, None
