"""POST /api/hooks/<token>, and the hooks of a room for its owners."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from accounts.http_auth import authenticated, user_id
from chat import publish
from core.api_types import Body
from core.errors import BadFrame
from core.pace import Pace
from core.per_loop import PerLoop
from db import database
from features.webhooks import services
from features.webhooks.metrics import POSTED
from features.webhooks.models import Hook
from features.webhooks.slack import text_of

router = Router(tags=["webhooks"])
rooms = Router(tags=["webhooks"], auth=authenticated)
# Messages of one hook, as of a person.
_pace = PerLoop(lambda: Pace(settings.LIMIT_MESSAGES_PER_S))

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
Token = Annotated[str, Field(max_length=100)]
HookId = Annotated[int, Field(ge=1, le=2**53)]


class HookIn(Body):
    name: Name


class HookOut(Schema):
    id: int
    name: str
    created_by: str | None
    created_at: datetime
    # Messages that came through it, and when the latest did.
    posts: int
    last_used_at: datetime | None


class Hooks(Schema):
    hooks: list[HookOut]


class HookMade(HookOut):
    token: str
    url: str


class Post(Body):
    text: Annotated[str, Field(max_length=100_000)] = ""
    username: Annotated[str, Field(max_length=64)] = ""
    attachments: Annotated[list[dict[str, Any]], Field(max_length=100)] = []


class Posted(Schema):
    # Programs that speak to Slack take an answer without it for an error.
    ok: bool = True
    room: str
    seq: int


@router.post(
    "/{token}",
    response={201: Posted},
    auth=None,
    summary="Post a message into the room of a webhook",
    openapi_extra={"security": []},
)
async def post(request: HttpRequest, token: Token, payload: Post) -> tuple[int, dict[str, Any]]:
    """`text`, and `attachments` as Slack has them.

    The header `Idempotency-Key` makes another try safe.
    """
    hook = await database.run(services.hook_of, token)
    await _pace().wait(hook.id)
    given = request.headers.get("Idempotency-Key", "")
    try:
        alias = await database.run(services.alias_of, hook, payload.username) if payload.username else hook.alias
    except BadFrame:  # perhaps a person with this name has signed up since
        if not given or (seq := await database.run(services.seq_posted, hook, given)) is None:
            raise
        return 201, {"ok": True, "room": hook.room.slug, "seq": seq}
    key = given or secrets.token_hex(16)
    text = text_of(payload.text, payload.attachments)
    parts = publish.Parts(bot=True)
    stored = await publish.message(room=hook.room, author=hook.bot, key=key, text=text, alias=alias, parts=parts, by_server=True)
    POSTED.inc()
    if not stored.duplicate:
        await database.run(services.hook_used, hook.id)
    return 201, {"ok": True, "room": stored.room.slug, "seq": stored.seq}


@rooms.get("/{slug}/hooks", response=Hooks, summary="Webhooks of a room, for its owners")
async def hook_list(request: HttpRequest, slug: str) -> dict[str, Any]:
    me = user_id(request)
    return {"hooks": [_shown(hook) for hook in await database.run_for(me, lambda: services.hook_list(user=me, slug=slug))]}


@rooms.post("/{slug}/hooks", response={201: HookMade}, summary="Make a webhook")
async def hook_create(request: HttpRequest, slug: str, payload: HookIn) -> tuple[int, dict[str, Any]]:
    """The token is shown this once."""
    me = user_id(request)
    hook, token = await database.run_for(me, lambda: services.hook_create(user=me, slug=slug, name=payload.name))
    return 201, {**_shown(hook), "token": token, "url": request.build_absolute_uri(f"/api/hooks/{token}")}


@rooms.delete("/{slug}/hooks/{hook}", response={204: None}, summary="Revoke a webhook")
async def hook_delete(request: HttpRequest, slug: str, hook: HookId) -> tuple[int, None]:
    me = user_id(request)
    await database.run_for(me, lambda: services.hook_delete(user=me, slug=slug, hook=hook))
    return 204, None


def _shown(hook: Hook) -> dict[str, Any]:
    by = hook.created_by.username if hook.created_by else None
    shown = {"id": hook.id, "name": hook.name, "created_by": by, "created_at": hook.created_at}
    return {**shown, "posts": hook.posts, "last_used_at": hook.last_used_at}
