"""/api/rooms/<room>/messages: the log over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from accounts.http_auth import authenticated, person_of
from chat import history
from core.api_types import Person, answers
from core.errors import BadFrame
from core.limits import LIMITS
from db import replica
from rooms import access

router = Router(tags=["messages"], auth=authenticated)
Seq = Annotated[int, Field(ge=0, le=2**53)]
Limit = Annotated[int, Field(ge=1, le=LIMITS.page_events)]


class ListedEvent(msgspec.Struct):
    """A message, or another listed event.

    docs/asyncapi.yaml has the further fields of each type.
    """

    type: str
    room: str
    seq: int
    sender: Person = msgspec.field(name="from")
    at: datetime


class Messages(msgspec.Struct):
    room: str
    messages: list[ListedEvent]
    more: bool


@router.get("/{slug}/messages", summary="Messages in their present state, by seq", openapi_extra=answers(Messages))
async def messages(
    request: HttpRequest,
    slug: str,
    before: Seq | None = None,
    after: Seq | None = None,
    limit: Limit = LIMITS.latest_messages,
) -> HttpResponse:
    """At most `limit` messages, oldest first; without `before` and `after` the latest."""
    person = person_of(request)
    if before is not None and after is not None:
        raise BadFrame("give before or after, not both")

    def read() -> bytes:
        room = access.membership_in(person.id, slug).room
        events, more = history.page_of(room, before=before, after=after, limit=limit)
        shown = history.encode_for(person.id, events)
        return msgspec.json.encode({"room": room.slug, "messages": shown, "more": more})

    return HttpResponse(await replica.run_for(person.id, read), content_type="application/json")
