"""A quiz in the log: people make it, start it and answer its questions.

The server goes from question to question.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from chat.text import check_text
from core.errors import BadFrame, Closed, Forbidden, TooMany
from core.features import Context, EventKind
from core.words import words as _
from features.quiz.state import Answer, Player, Question, Quiz, QuizState, shown

MAX_TITLE = 200
MAX_TEXT = 300
MAX_CHOICE = 120
MAX_PLAYERS = 2_000
# Points of a right answer: all at once, half of them at the last moment.
POINTS = 1_000
# How long a question's result is shown before the next one.
REVEAL_S = 5


class QuizAsked(msgspec.Struct, frozen=True, tag="quiz.asked"):
    question: int


class QuizAnswered(msgspec.Struct, frozen=True, tag="quiz.answered"):
    question: int
    choice: int


class QuizRevealed(msgspec.Struct, frozen=True, tag="quiz.revealed"):
    question: int


class QuizEnded(msgspec.Struct, frozen=True, tag="quiz.ended"):
    pass


def check(quiz: Quiz, context: Context) -> None:
    """Refuse a quiz with an unfit text, or with a question without a right choice.

    Texts must be neither empty nor too long, and the choices of a question must differ.
    """
    check_text(_("title"), quiz.title, MAX_TITLE)
    for number, question in enumerate(quiz.questions, 1):
        check_text(_("question {number}", number=number), question.text, MAX_TEXT)
        for choice in question.choices:
            check_text(_("a choice of question {number}", number=number), choice, MAX_CHOICE)
        if len({choice.casefold() for choice in question.choices}) < len(question.choices):
            raise BadFrame(_("question {number}: two choices are the same", number=number))
        if question.right >= len(question.choices):
            raise BadFrame(_("question {number}: right is no index of its choices", number=number))


def ask(quiz: Quiz, payload: QuizAsked, author: int, context: Context) -> Quiz:
    """Ask a question of a quiz.

    Its author or an owner of the room starts the first question, the server every other one.
    """
    starts = not context.by_server and quiz.phase == "lobby" and payload.question == 0
    goes_on = context.by_server and quiz.phase == "revealed" and payload.question == quiz.current + 1
    if not starts and not goes_on:
        raise Closed(_("the quiz has been started already"))
    if author != context.target_author and not context.is_owner:
        raise Forbidden(_("only its author and the room's owners start a quiz"))
    seconds = quiz.questions[payload.question].seconds
    return msgspec.structs.replace(
        quiz,
        phase="asked",
        current=payload.question,
        asked_at=context.at,
        until=context.at + timedelta(seconds=seconds),
        answers={},
    )


def answer(quiz: Quiz, payload: QuizAnswered, author: int, context: Context) -> Quiz:
    """Take a person's only answer to the open question."""
    if author == context.target_author:
        raise Forbidden(_("the author of a quiz knows the answers"))
    if quiz.phase != "asked" or quiz.until is None or quiz.asked_at is None:
        raise Closed(_("no question is open"))
    if payload.question != quiz.current or context.at > quiz.until:
        raise Closed(_("this question is not open"))
    person = str(author)
    if person in quiz.answers:
        raise TooMany(_("a question takes one answer of each person"))
    if not 0 <= payload.choice < len(quiz.questions[quiz.current].choices):
        raise BadFrame(_("choice is no index of the question's choices"))
    if person not in quiz.players and len(quiz.players) >= MAX_PLAYERS:
        raise TooMany(_("a quiz takes {most} players", most=MAX_PLAYERS))
    after_ms = (context.at - quiz.asked_at) // timedelta(milliseconds=1)
    players = quiz.players if person in quiz.players else {**quiz.players, person: Player(context.author_name)}
    return msgspec.structs.replace(
        quiz, players=players, answers={**quiz.answers, person: Answer(payload.choice, max(0, after_ms))}
    )


def reveal(quiz: Quiz, payload: QuizRevealed, author: int, context: Context) -> Quiz:
    """Count the answers: the question's time is up."""
    if not context.by_server or quiz.phase != "asked" or payload.question != quiz.current:
        raise Closed(_("no question is open"))
    return msgspec.structs.replace(_scored(quiz), phase="revealed", until=context.at + timedelta(seconds=REVEAL_S))


def end(quiz: Quiz, payload: QuizEnded, author: int, context: Context) -> Quiz:
    """Count the answers to the last question."""
    if not context.by_server or quiz.phase != "asked" or quiz.current + 1 < len(quiz.questions):
        raise Closed(_("the quiz goes on"))
    return msgspec.structs.replace(_scored(quiz), phase="ended", until=None)


def _scored(quiz: Quiz) -> Quiz:
    question = quiz.questions[quiz.current]
    gained = {person: points(question, given) for person, given in quiz.answers.items()}
    players = {
        person: Player(player.name, player.score + gained.get(person, 0), gained.get(person, 0))
        for person, player in quiz.players.items()
    }
    return msgspec.structs.replace(quiz, players=players)


def points(question: Question, given: Answer) -> int:
    """Return the points of an answer.

    A right answer gets POINTS at once and half of them at the last moment, a wrong one none.
    """
    if given.choice != question.right:
        return 0
    late = min(1.0, given.after_ms / (1_000 * question.seconds))
    return round(POINTS * (1 - late / 2))


def on_due(quiz: Quiz, now: datetime) -> msgspec.Struct | None:
    """Return the server's action at the end of the time."""
    if quiz.phase == "revealed":
        return QuizAsked(quiz.current + 1)
    if quiz.phase != "asked":
        return None
    return QuizRevealed(quiz.current) if quiz.current + 1 < len(quiz.questions) else QuizEnded()


def renamed(quiz: Quiz, user: int, name: str) -> Quiz:
    """Name a player anew."""
    player = quiz.players.get(str(user))
    if player is None:
        return quiz
    return msgspec.structs.replace(quiz, players={**quiz.players, str(user): msgspec.structs.replace(player, name=name)})


QUIZ = EventKind(
    payload=Quiz,
    listed=True,
    counts=True,
    check=check,
    public=shown,
    wire=QuizState,
    due=lambda quiz: quiz.until,
    on_due=on_due,
    renamed=renamed,
)
ASKED = EventKind(payload=QuizAsked, amends=Quiz, apply=ask, public=lambda asked: {"question": asked.question}, wire=QuizAsked)
# Choices stay hidden while others may still answer.
ANSWERED = EventKind(payload=QuizAnswered, amends=Quiz, apply=answer)
REVEALED = EventKind(
    payload=QuizRevealed, amends=Quiz, apply=reveal, public=lambda revealed: {"question": revealed.question}, wire=QuizRevealed
)
ENDED = EventKind(payload=QuizEnded, amends=Quiz, apply=end)
