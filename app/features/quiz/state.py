"""A quiz as it is stored, and what of it the wire carries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

MAX_QUESTIONS = 50
MAX_CHOICES = 8
MAX_SECONDS = 300
# People that an event lists, the best first. Each answer goes to everybody in the room.
LISTED_SCORES = 10

Phase = Literal["lobby", "asked", "revealed", "ended"]


class Question(msgspec.Struct, frozen=True):
    text: str
    choices: Annotated[list[str], msgspec.Meta(min_length=2, max_length=MAX_CHOICES)]
    # Index of the right choice.
    right: Annotated[int, msgspec.Meta(ge=0, lt=MAX_CHOICES)]
    seconds: Annotated[int, msgspec.Meta(ge=1, le=MAX_SECONDS)]


class Player(msgspec.Struct, frozen=True, array_like=True):
    name: str
    score: int = 0
    # Points of the last question.
    gained: int = 0


class Answer(msgspec.Struct, frozen=True, array_like=True):
    choice: int
    # Milliseconds after the question.
    after_ms: int


class Quiz(msgspec.Struct, frozen=True, tag="quiz"):
    """A quiz in its present state.

    Right answers leave the server through QuizState only.
    """

    title: str
    questions: list[Question]
    phase: Phase = "lobby"
    # Index of the question that was asked last.
    current: int = -1
    asked_at: datetime | None = None
    # When the server goes on: the question's time is up, or the next one comes.
    until: datetime | None = None
    # User → player: everybody who has answered.
    players: dict[str, Player] = {}
    # User → answer to the current question.
    answers: dict[str, Answer] = {}


class QuestionState(msgspec.Struct, frozen=True):
    index: int
    text: str
    choices: list[str]
    seconds: int
    asked_at: datetime
    # When the server goes on.
    until: datetime | None
    # Both null until the time is up: the right choice, and how many chose each.
    right: int | None
    counts: list[int] | None


class Score(msgspec.Struct, frozen=True):
    id: int
    name: str
    score: int


class QuizState(msgspec.Struct, frozen=True):
    """A quiz on the wire."""

    title: str
    # Number of questions.
    count: int
    phase: Phase
    # Null in the lobby.
    question: QuestionState | None
    # People who answered the question, and who answered any.
    answered: int
    players: int
    # The best players, at most LISTED_SCORES. Empty while a question is open: nothing has changed.
    scores: list[Score]


def shown(quiz: Quiz) -> dict[str, Any]:
    """Return the quiz as sent to clients.

    It lacks the right choice and the answers of a question that is still open.
    """
    state = QuizState(
        title=quiz.title,
        count=len(quiz.questions),
        phase=quiz.phase,
        question=_question(quiz),
        answered=len(quiz.answers),
        players=len(quiz.players),
        scores=[] if quiz.phase == "asked" else best(quiz)[:LISTED_SCORES],
    )
    fields: dict[str, Any] = msgspec.to_builtins(state)
    return fields


def best(quiz: Quiz) -> list[Score]:
    """Return all players, the best first; on equal scores the older account first."""
    ranked = sorted(quiz.players.items(), key=lambda one: (-one[1].score, int(one[0])))
    return [Score(int(person), player.name, player.score) for person, player in ranked]


def _question(quiz: Quiz) -> QuestionState | None:
    if quiz.asked_at is None:
        return None
    question, is_open = quiz.questions[quiz.current], quiz.phase == "asked"
    counts = [0] * len(question.choices)
    for answer in quiz.answers.values():
        counts[answer.choice] += 1
    return QuestionState(
        index=quiz.current,
        text=question.text,
        choices=question.choices,
        seconds=question.seconds,
        asked_at=quiz.asked_at,
        until=quiz.until,
        right=None if is_open else question.right,
        counts=None if is_open else counts,
    )
