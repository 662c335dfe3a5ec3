"""/api/mentions: unread messages that name me."""

from __future__ import annotations

from typing import Annotated, Any

from django.db.models import F
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from accounts.http_auth import authenticated, person_of
from db import database
from rooms.models import Mention

router = Router(tags=["rooms"], auth=authenticated)
PAGE = 200
# Without NUL, which Postgres refuses.
Slug = Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]


class MentionOut(Schema):
    room: str
    seq: int


class Mentions(Schema):
    mentions: list[MentionOut]
    more: bool


@router.get("", response=Mentions, summary="Unread messages that name me")
async def mentions(request: HttpRequest, room: Slug | None = None) -> dict[str, Any]:
    """List them by room and seq, at most 200; `room`: only those of one.

    They are read as the messages are.
    """
    person = person_of(request)

    def read() -> list[tuple[str, int]]:
        found = Mention.objects.filter(
            user_id=person.id,
            room__closed=False,
            room__memberships__user_id=person.id,
            seq__gt=F("room__memberships__last_read_seq"),
        )
        if room is not None:
            found = found.filter(room__slug=room)
        return list(found.order_by("room_id", "seq").values_list("room__slug", "seq")[: PAGE + 1])

    rows = await database.run_for(person.id, read)
    return {"mentions": [{"room": slug, "seq": seq} for slug, seq in rows[:PAGE]], "more": len(rows) > PAGE}
