"""The frames of surveys.

Each is answered with `stored` once it is committed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from chat.closing import utc
from chat.publish import Key, Target, durable
from features.surveys.events import Answer, Kind, Question, Survey, SurveyAnswered, SurveyClosed
from realtime.publish import DeferredReply, FrameId, Slug
from realtime.socket import Socket

MAX_QUESTIONS = 20
MAX_OPTIONS = 20

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class AskedQuestion(msgspec.Struct):
    kind: Kind
    text: str
    options: Annotated[list[str], msgspec.Meta(max_length=MAX_OPTIONS)] = []


class SurveyCreate(msgspec.Struct, tag="survey.create"):
    room: Slug
    key: Key
    title: str
    questions: Annotated[list[AskedQuestion], msgspec.Meta(min_length=1, max_length=MAX_QUESTIONS)]
    secret: bool = False
    closes_at: Time | None = None
    id: FrameId = None


class SurveyAnswer(msgspec.Struct, tag="survey.answer"):
    room: Slug
    key: Key
    target: Target
    answers: Annotated[list[Answer], msgspec.Meta(max_length=MAX_QUESTIONS)]
    id: FrameId = None


class SurveyClose(msgspec.Struct, tag="survey.close"):
    room: Slug
    key: Key
    target: Target
    id: FrameId = None


async def survey_create(socket: Socket, frame: SurveyCreate) -> DeferredReply:
    questions = [Question(one.kind, one.text.strip(), [option.strip() for option in one.options]) for one in frame.questions]
    survey = Survey(frame.title.strip(), questions, secret=frame.secret, closes_at=utc(frame.closes_at))
    return await durable(socket, frame, survey)


async def survey_answer(socket: Socket, frame: SurveyAnswer) -> DeferredReply:
    return await durable(socket, frame, SurveyAnswered(frame.answers))


async def survey_close(socket: Socket, frame: SurveyClose) -> DeferredReply:
    return await durable(socket, frame, SurveyClosed())
