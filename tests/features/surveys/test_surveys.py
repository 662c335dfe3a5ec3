"""The pure functions of a survey: answers, closing, its forms on wire and in CSV."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FrameRefused
from core.features import Context
from features.surveys import events
from features.surveys.events import Question, Survey, SurveyAnswered, SurveyClosed, answer, check, close, counts, shown
from features.surveys.results import table

AUTHOR, OTHER = 1, 2
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SURVEY = Survey(
    "Launch",
    [
        Question("single", "Happy?", ["yes", "no"]),
        Question("several", "Which days?", ["Mon", "Tue", "Wed"]),
        Question("scale", "How much?"),
        Question("text", "Anything else?"),
    ],
)
WHOLE = [[0], [0, 2], 5, "more tea"]


def context(*, owner: bool = False, after_s: float = 0) -> Context:
    return Context(AUTHOR, owner, NOW + timedelta(seconds=after_s))


def code_of(call: Any) -> str:
    """The code of the refusal, or "" where there is none."""
    try:
        call()
    except FrameRefused as refused:
        return refused.code
    return ""


def given_by(survey: Survey, person: int, answers: list[Any]) -> Survey:
    return answer(survey, SurveyAnswered(answers), person, context())


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, ""),
        ({"title": " "}, "empty"),
        ({"title": "x" * (events.MAX_TITLE + 1)}, "too_long"),
        ({"questions": [Question("text", "")]}, "empty"),
        ({"questions": [Question("single", "a?", ["one"])]}, "bad_frame"),
        ({"questions": [Question("single", "a?", ["one", "ONE"])]}, "bad_frame"),
        ({"questions": [Question("several", "a?", ["one", " "])]}, "empty"),
        ({"questions": [Question("scale", "a?", ["one", "two"])]}, "bad_frame"),
        ({"closes_at": NOW}, "bad_frame"),
        ({"closes_at": NOW + timedelta(days=1)}, ""),
    ],
)
def test_survey_is_checked(fields: dict[str, Any], code: str) -> None:
    assert code_of(lambda: check(msgspec.structs.replace(SURVEY, **fields), context())) == code


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        (WHOLE, ""),
        ([[1], None, None, None], ""),
        ([None, [], 3, " "], ""),
        (WHOLE[:3], "bad_frame"),
        ([[2], None, None, None], "bad_frame"),
        ([[0, 1], None, None, None], "bad_frame"),
        ([None, [0, 0], None, None], "bad_frame"),
        ([None, None, 6, None], "bad_frame"),
        ([None, None, 0, None], "bad_frame"),
        ([3, None, None, None], "bad_frame"),
        ([None, None, None, [0]], "bad_frame"),
        ([None, None, None, "x" * (events.MAX_TEXT + 1)], "too_long"),
    ],
)
def test_answers_are_checked(answers: list[Any], code: str) -> None:
    assert code_of(lambda: given_by(SURVEY, OTHER, answers)) == code


def test_person_has_one_answer_and_may_change_or_take_it_back() -> None:
    once = given_by(SURVEY, OTHER, WHOLE)
    assert counts(once) == [[1, 0], [1, 0, 1], [0, 0, 0, 0, 1], [1]]
    changed = given_by(once, OTHER, [[1], None, 2, None])
    assert counts(changed) == [[0, 1], [0, 0, 0], [0, 1, 0, 0, 0], [0]]
    assert given_by(changed, OTHER, [None] * 4).answers == {}


def test_closed_survey_takes_no_answers_and_closes_once() -> None:
    assert code_of(lambda: close(SURVEY, SurveyClosed(), OTHER, context())) == "forbidden"
    closed = close(SURVEY, SurveyClosed(), OTHER, context(owner=True))
    assert code_of(lambda: close(closed, SurveyClosed(), AUTHOR, context())) == "closed"
    assert code_of(lambda: given_by(closed, OTHER, WHOLE)) == "closed"
    timed = msgspec.structs.replace(SURVEY, closes_at=NOW)
    assert code_of(lambda: given_by(timed, OTHER, WHOLE)) == "closed"


def test_no_more_people_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_PEOPLE", 1)
    full = given_by(SURVEY, OTHER, WHOLE)
    assert code_of(lambda: given_by(full, AUTHOR, WHOLE)) == "too_many"
    assert code_of(lambda: given_by(full, OTHER, [[1], None, None, None])) == ""


@given(
    st.dictionaries(st.integers(1, 10**6), st.tuples(st.none() | st.just([1]), st.text(max_size=20)), max_size=8), st.booleans()
)
def test_wire_carries_numbers_only(people: dict[int, Any], secret: bool) -> None:
    survey = msgspec.structs.replace(SURVEY, secret=secret)
    for person, (choice, text) in people.items():
        survey = given_by(survey, person, [choice, None, None, text])
    wire = shown(survey)
    assert "answers" not in wire
    assert wire["people"] == len(survey.answers)
    assert wire["counts"][0][1] == sum(choice is not None for choice, _ in people.values())
    # What is stored is read again as it was.
    assert msgspec.convert(json.loads(msgspec.json.encode(survey)), Survey) == survey


def test_csv_names_people_of_an_open_survey_only() -> None:
    survey = given_by(given_by(SURVEY, 7, WHOLE), 8, [[1], None, None, "=1+1"])
    names = {7: "ada", 8: "bob"}
    rows = list(csv.reader(io.StringIO(table(survey, names).removeprefix("\N{BOM}"))))
    assert rows[0] == ["person", "Happy?", "Which days?", "How much?", "Anything else?"]
    assert rows[1:] == [["ada", "yes", "Mon; Wed", "5", "more tea"], ["bob", "no", "", "", "'=1+1"]]
    secret = table(msgspec.structs.replace(survey, secret=True), {})
    assert "ada" not in secret
    assert len(list(csv.reader(io.StringIO(secret)))) == 3
