"""A survey in the log: its state, changes by answers and closing, its wire form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from chat.closing import check_closing, has_closed, may_close
from chat.text import check_text
from core.errors import BadFrame, Closed, Forbidden, TooLong, TooMany
from core.features import Context, EventKind
from core.words import words as _

MAX_TITLE = 200
MAX_QUESTION = 300
MAX_OPTION = 120
# Of one text, and of all texts of one person: the whole survey is one row.
MAX_TEXT = 500
MAX_TEXTS = 2_000
MAX_PEOPLE = 1_000
# Steps of a scale: 1 to 5.
STEPS = 5

Kind = Literal["single", "several", "scale", "text"]
# Indexes of options; the step of a scale, from 1 on; a text; None: not answered.
Answer = list[int] | int | str | None


class Question(msgspec.Struct, frozen=True):
    kind: Kind
    text: str
    # Of `single` and `several` only.
    options: list[str] = []


class Survey(msgspec.Struct, frozen=True, tag="survey"):
    """A survey in its present state, as it is stored.

    Answers leave the server as numbers only.
    """

    title: str
    questions: list[Question]
    secret: bool = False
    closes_at: datetime | None = None
    closed: bool = False
    # User → one answer for each question.
    answers: dict[str, list[Answer]] = {}


class SurveyAnswered(msgspec.Struct, frozen=True, tag="survey.answered"):
    answers: list[Answer]


class SurveyClosed(msgspec.Struct, frozen=True, tag="survey.closed"):
    pass


class SurveyState(msgspec.Struct, frozen=True):
    """A survey on the wire."""

    title: str
    questions: list[Question]
    secret: bool
    closes_at: datetime | None
    closed: bool
    # People who answered.
    people: int
    # Of each question: how many chose each option or step; of a text one number, how many wrote one.
    counts: list[list[int]]


def check(survey: Survey, context: Context) -> None:
    """Refuse a survey whose texts, options or closing time are wrong."""
    check_text(_("title"), survey.title, MAX_TITLE)
    for number, question in enumerate(survey.questions, 1):
        check_text(_("question {number}", number=number), question.text, MAX_QUESTION)
        _check_options(number, question)
    check_closing(survey.closes_at, context)


def _check_options(number: int, question: Question) -> None:
    if question.kind not in {"single", "several"}:
        if question.options:
            raise BadFrame(_("question {number} takes no options", number=number))
        return
    if len(question.options) < 2:
        raise BadFrame(_("question {number} needs two options or more", number=number))
    for option in question.options:
        check_text(_("an option of question {number}", number=number), option, MAX_OPTION)
    if len({option.casefold() for option in question.options}) < len(question.options):
        raise BadFrame(_("question {number}: two options are the same", number=number))


def answer(survey: Survey, payload: SurveyAnswered, author: int, context: Context) -> Survey:
    """Replace the person's answers.

    None of them: take them back.
    """
    if has_closed(survey.closed, survey.closes_at, context):
        raise Closed(_("the survey is closed"))
    if len(payload.answers) != len(survey.questions):
        raise BadFrame(_("answers has one entry for each question: {number}", number=len(survey.questions)))
    given = [_checked(number, *pair) for number, pair in enumerate(zip(survey.questions, payload.answers, strict=True), 1)]
    if sum(len(one) for one in given if isinstance(one, str)) > MAX_TEXTS:
        raise TooLong(_("your texts have more than {most} characters together", most=MAX_TEXTS))
    others = {person: answers for person, answers in survey.answers.items() if person != str(author)}
    if all(one is None for one in given):
        return msgspec.structs.replace(survey, answers=others)
    if len(others) >= MAX_PEOPLE:
        raise TooMany(_("a survey takes answers of {most} people", most=MAX_PEOPLE))
    return msgspec.structs.replace(survey, answers={**others, str(author): given})


def _checked(number: int, question: Question, given: Answer) -> Answer:
    """Return an answer in its stored form; None for an empty one.

    Raises BadFrame or TooLong.
    """
    if given is None or given in ([], ""):
        return None
    if question.kind == "text" and isinstance(given, str):
        check = given.strip()
        if len(check) > MAX_TEXT:
            raise TooLong(_("question {number}: a text has at most {most} characters", number=number, most=MAX_TEXT))
        return check or None
    if question.kind == "scale" and isinstance(given, int):
        if not 1 <= given <= STEPS:
            raise BadFrame(_("question {number}: a step is a number from 1 to {most}", number=number, most=STEPS))
        return given
    if question.kind in {"single", "several"} and isinstance(given, list):
        return _choices(number, question, given)
    raise BadFrame(_("question {number}: this is no answer to a question of its kind", number=number))


def _choices(number: int, question: Question, given: Sequence[int]) -> list[int]:
    choices = sorted(set(given))
    if len(choices) < len(given):
        raise BadFrame(_("question {number}: a choice is given twice", number=number))
    if not 0 <= choices[0] <= choices[-1] < len(question.options):
        raise BadFrame(
            _("question {number}: choices are numbers from 0 to {last}", number=number, last=len(question.options) - 1)
        )
    if len(choices) > 1 and question.kind == "single":
        raise BadFrame(_("question {number} takes one choice", number=number))
    return choices


def close(survey: Survey, payload: SurveyClosed, author: int, context: Context) -> Survey:
    """End the survey.

    Its author and the room's owners may, and the server when its time has come.
    """
    if survey.closed:
        raise Closed(_("the survey is closed"))
    if not may_close(author, context):
        raise Forbidden(_("only its author and the room's owners close a survey"))
    return msgspec.structs.replace(survey, closed=True)


def shown(survey: Survey) -> dict[str, Any]:
    """Return the survey as sent to clients: numbers, and no answers."""
    fields: dict[str, Any] = msgspec.to_builtins(
        SurveyState(
            title=survey.title,
            questions=survey.questions,
            secret=survey.secret,
            closes_at=survey.closes_at,
            closed=survey.closed,
            people=len(survey.answers),
            counts=counts(survey),
        )
    )
    return fields


def counts(survey: Survey) -> list[list[int]]:
    """Count the answers to each question."""
    found = [[0] * _size(question) for question in survey.questions]
    for answers in survey.answers.values():
        for one, given in zip(found, answers, strict=True):
            for place in _places(given):
                one[place] += 1
    return found


def _size(question: Question) -> int:
    return {"scale": STEPS, "text": 1}.get(question.kind, len(question.options))


def _places(given: Answer) -> list[int]:
    if given is None:
        return []
    if isinstance(given, list):
        return given
    return [0] if isinstance(given, str) else [given - 1]


SURVEY = EventKind(
    payload=Survey,
    listed=True,
    counts=True,
    check=check,
    public=shown,
    wire=SurveyState,
    due=lambda survey: None if survey.closed else survey.closes_at,
    on_due=lambda _survey, _now: SurveyClosed(),
)
# With a name, the numbers of two events in a row would tell secret answers.
ANSWERED = EventKind(payload=SurveyAnswered, amends=Survey, apply=answer, anonymous=lambda survey: survey.secret)
CLOSED = EventKind(payload=SurveyClosed, amends=Survey, apply=close)
