"""/api/rooms/<room>/quiz: how I am doing."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from accounts.http_auth import authenticated, user_id
from chat.publish import thing
from core.api_types import answers
from db import database
from features.quiz.state import Quiz

router = Router(tags=["quiz"], auth=authenticated)
Seq = Annotated[int, Field(ge=1, le=2**53)]


class MyScore(msgspec.Struct):
    room: str
    seq: int
    score: int
    gained: int
    rank: int | None
    players: int
    question: int | None
    choice: int | None


@router.get("/{slug}/quiz/{int:seq}/mine", summary="My score in a quiz", openapi_extra=answers(MyScore))
async def mine(request: HttpRequest, slug: str, seq: Seq) -> dict[str, Any]:
    """Return my score, my rank and my last answer in a quiz.

    Score and rank count the questions whose time is up. `rank`: one more than the number of players with more points; null if
    I have not played. `gained`: points of the last counted question. `choice`: my answer to the last question.
    """
    me = user_id(request)
    found = await database.run_for(me, thing, me, slug, seq, Quiz)
    quiz: Quiz = found.state
    player, given = quiz.players.get(str(me)), quiz.answers.get(str(me))
    return {
        "room": found.room.slug,
        "seq": seq,
        "score": player.score if player else 0,
        "gained": player.gained if player and quiz.phase != "asked" else 0,
        "rank": 1 + sum(other.score > player.score for other in quiz.players.values()) if player else None,
        "players": len(quiz.players),
        "question": quiz.current if given else None,
        "choice": given.choice if given else None,
    }
