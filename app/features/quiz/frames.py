"""The frames of quizzes.

Each is answered with `stored` once it is committed.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from chat.publish import Key, Target, durable
from features.quiz.events import QuizAnswered, QuizAsked
from features.quiz.state import MAX_CHOICES, MAX_QUESTIONS, Question, Quiz
from realtime.publish import DeferredReply, FrameId, Slug
from realtime.socket import Socket


class QuizCreate(msgspec.Struct, tag="quiz.create"):
    room: Slug
    key: Key
    title: str
    questions: Annotated[list[Question], msgspec.Meta(min_length=1, max_length=MAX_QUESTIONS)]
    id: FrameId = None


class QuizStart(msgspec.Struct, tag="quiz.start"):
    room: Slug
    key: Key
    target: Target
    id: FrameId = None


class QuizAnswer(msgspec.Struct, tag="quiz.answer"):
    room: Slug
    key: Key
    target: Target
    question: Annotated[int, msgspec.Meta(ge=0, lt=MAX_QUESTIONS)]
    choice: Annotated[int, msgspec.Meta(ge=0, lt=MAX_CHOICES)]
    id: FrameId = None


async def quiz_create(socket: Socket, frame: QuizCreate) -> DeferredReply:
    questions = [
        Question(one.text.strip(), [choice.strip() for choice in one.choices], one.right, one.seconds) for one in frame.questions
    ]
    return await durable(socket, frame, Quiz(title=frame.title.strip(), questions=questions))


async def quiz_start(socket: Socket, frame: QuizStart) -> DeferredReply:
    return await durable(socket, frame, QuizAsked(0))


async def quiz_answer(socket: Socket, frame: QuizAnswer) -> DeferredReply:
    return await durable(socket, frame, QuizAnswered(frame.question, frame.choice))
