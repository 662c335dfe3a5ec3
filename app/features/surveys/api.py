"""/api/rooms/<room>/surveys: one's own answers, written texts, all answers as CSV."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from accounts.http_auth import authenticated, user_id
from accounts.people import names_of
from chat.publish import thing
from core.api_types import answers
from core.spreadsheet import csv_response
from db import database
from features.surveys.events import Answer, Survey
from features.surveys.results import table

router = Router(tags=["surveys"], auth=authenticated)
Seq = Annotated[int, Field(ge=1, le=2**53)]
# Texts of one question that are shown.
TEXTS = 100


class MyAnswers(msgspec.Struct):
    room: str
    seq: int
    answers: list[Answer]


class SurveyTexts(msgspec.Struct):
    texts: list[list[str]]


@router.get("/{slug}/surveys/{int:seq}/mine", summary="My answers to a survey", openapi_extra=answers(MyAnswers))
async def mine(request: HttpRequest, slug: str, seq: Seq) -> dict[str, Any]:
    """My answers, also to a secret survey; an empty list where I have not answered."""
    me = user_id(request)
    survey = await database.run_for(me, thing, me, slug, seq, Survey)
    return {"room": survey.room.slug, "seq": seq, "answers": survey.state.answers.get(str(me), [])}


@router.get("/{slug}/surveys/{int:seq}/texts", summary="What people wrote in a survey", openapi_extra=answers(SurveyTexts))
async def texts(request: HttpRequest, slug: str, seq: Seq) -> dict[str, Any]:
    """Return the texts that people wrote in a survey, a list for each question.

    A list has at most 100 texts, in alphabetical order and without names. It is empty for a question that asks for no text.
    """
    me = user_id(request)
    survey = (await database.run_for(me, thing, me, slug, seq, Survey)).state
    given = [[one[place] for one in survey.answers.values()] for place in range(len(survey.questions))]
    return {"texts": [sorted(text for text in of_one if isinstance(text, str))[:TEXTS] for of_one in given]}


@router.get("/{slug}/surveys/{int:seq}.csv", summary="A survey's answers as CSV", openapi_extra=answers("text/csv"))
async def result(request: HttpRequest, slug: str, seq: Seq) -> HttpResponse:
    """A line for each person, with the name unless the survey is secret."""
    me = user_id(request)

    def read() -> str:
        survey = thing(me, slug, seq, Survey).state
        return table(survey, {} if survey.secret else names_of(map(int, survey.answers)))

    return csv_response(await database.run_for(me, read), f"survey-{seq}")
