"""/api/rooms/<room>/polls: the open polls, one's own vote, and results as CSV."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from accounts.http_auth import authenticated, user_id
from accounts.people import names_of
from chat.publish import thing, things
from core import api_types
from core.api_types import answers
from core.errors import Forbidden
from core.spreadsheet import csv_response
from core.words import words as _
from db import database
from features.polls.events import Poll, PollState
from features.polls.lists import listed
from features.polls.results import table
from realtime.publish import Person

router = Router(tags=["polls"], auth=authenticated)
Seq = Annotated[int, Field(ge=1, le=2**53)]
OPEN = 50


class ListedPoll(PollState, frozen=True, kw_only=True):
    room: str
    seq: int
    sender: api_types.Person = msgspec.field(name="from")
    at: datetime


class Polls(msgspec.Struct):
    polls: list[ListedPoll]


class MyVote(msgspec.Struct):
    room: str
    seq: int
    choices: list[int]


class Voters(msgspec.Struct):
    # People of each option.
    voters: list[list[api_types.Person]]


@router.get("/{slug}/polls", summary="Open polls of a room", openapi_extra=answers(Polls))
async def polls(request: HttpRequest, slug: str) -> dict[str, Any]:
    """At most 50 polls that are not closed, the newest first."""
    me = user_id(request)
    found = await database.run_for(me, lambda: things(me, slug, Poll, limit=OPEN, data__closed=False))
    return {"polls": [listed(poll) for poll in found]}


@router.get("/{slug}/polls/{int:seq}/mine", summary="My vote in a poll", openapi_extra=answers(MyVote))
async def mine(request: HttpRequest, slug: str, seq: Seq) -> dict[str, Any]:
    """My choices, also in a secret poll; none where I have not voted."""
    me = user_id(request)
    poll = await database.run_for(me, thing, me, slug, seq, Poll)
    return {"room": poll.room.slug, "seq": seq, "choices": poll.state.votes.get(str(me), [])}


@router.get("/{slug}/polls/{int:seq}/votes", summary="Who voted for what", openapi_extra=answers(Voters))
async def votes(request: HttpRequest, slug: str, seq: Seq) -> dict[str, Any]:
    """The people of each option, by name.

    403 for a secret poll.
    """
    me = user_id(request)

    def read() -> list[list[dict[str, Any]]]:
        poll = thing(me, slug, seq, Poll).state
        if poll.secret:
            raise Forbidden(_("the votes of this poll are secret"))
        people = sorted(names_of(map(int, poll.votes)).items(), key=lambda one: one[1].casefold())
        return [
            [Person(user, name).wire() for user, name in people if option in poll.votes[str(user)]]
            for option in range(len(poll.options))
        ]

    return {"voters": await database.run_for(me, read)}


@router.get("/{slug}/polls/{int:seq}.csv", summary="A poll's result as CSV", openapi_extra=answers("text/csv"))
async def result(request: HttpRequest, slug: str, seq: Seq) -> HttpResponse:
    """The options with their votes, and who voted for them unless the poll is secret."""
    me = user_id(request)

    def read() -> str:
        poll = thing(me, slug, seq, Poll).state
        return table(poll, {} if poll.secret else names_of(map(int, poll.votes)))

    return csv_response(await database.run_for(me, read), f"poll-{seq}")
