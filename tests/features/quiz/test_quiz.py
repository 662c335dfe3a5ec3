"""The pure functions of a quiz: start, answers, the clock, its form on the wire."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FrameRefused
from core.features import Context
from features.quiz import events
from features.quiz.events import QUIZ, QuizAnswered, QuizAsked, QuizEnded, QuizRevealed, answer, ask, check, end, points, reveal
from features.quiz.state import Answer, Question, Quiz, shown

HOST, PLAYER = 1, 2
NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUESTIONS = [
    Question("Which letter?", ["Alpha", "Beta", "Gamma"], 1, 10),
    Question("And now?", ["Delta", "Eps"], 0, 20),
]
NEW = Quiz("Letters", QUESTIONS)


def context(after_s: float = 0, *, owner: bool = False, server: bool = False) -> Context:
    return Context(HOST, owner or server, NOW + timedelta(seconds=after_s), "somebody", server)


def code_of(call: Any, *arguments: Any) -> str:
    """The code of the refusal, or "" where there is none."""
    try:
        call(*arguments)
    except FrameRefused as refused:
        return refused.code
    return ""


def started() -> Quiz:
    return ask(NEW, QuizAsked(0), HOST, context())


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, ""),
        ({"title": " "}, "empty"),
        ({"title": "x" * (events.MAX_TITLE + 1)}, "too_long"),
        ({"questions": [Question("?", ["a", " "], 0, 5)]}, "empty"),
        ({"questions": [Question("?", ["a", "x" * (events.MAX_CHOICE + 1)], 0, 5)]}, "too_long"),
        ({"questions": [Question("?", ["a", "A"], 0, 5)]}, "bad_frame"),
        ({"questions": [Question("?", ["a", "b"], 2, 5)]}, "bad_frame"),
    ],
)
def test_quiz_is_checked(fields: dict[str, Any], code: str) -> None:
    assert code_of(check, msgspec.structs.replace(NEW, **fields), context()) == code


def test_author_and_owners_start_and_the_server_continues() -> None:
    assert code_of(ask, NEW, QuizAsked(0), PLAYER, context()) == "forbidden"
    assert code_of(ask, NEW, QuizAsked(0), PLAYER, context(owner=True)) == ""
    assert code_of(ask, NEW, QuizAsked(1), HOST, context()) == "closed"
    quiz = started()
    for forged in ((ask, QuizAsked(0)), (reveal, QuizRevealed(0)), (end, QuizEnded())):
        assert code_of(forged[0], quiz, forged[1], HOST, context(11, owner=True)) == "closed"
    shown_result = reveal(quiz, QuizRevealed(0), HOST, context(10, server=True))
    assert code_of(ask, shown_result, QuizAsked(1), HOST, context(11, owner=True)) == "closed"
    assert code_of(reveal, shown_result, QuizRevealed(0), HOST, context(11, server=True)) == "closed"
    assert ask(shown_result, QuizAsked(1), HOST, context(15, server=True)).current == 1


def test_answers_that_are_refused() -> None:
    quiz = answer(started(), QuizAnswered(0, 1), PLAYER, context(1))
    later = reveal(quiz, QuizRevealed(0), HOST, context(10, server=True))
    refused = [
        (NEW, QuizAnswered(0, 1), 3, 1, "closed"),
        (quiz, QuizAnswered(0, 2), PLAYER, 2, "too_many"),
        (quiz, QuizAnswered(0, 1), HOST, 2, "forbidden"),
        (quiz, QuizAnswered(1, 1), 3, 2, "closed"),
        (quiz, QuizAnswered(0, 3), 3, 2, "bad_frame"),
        (quiz, QuizAnswered(0, 1), 3, 10.001, "closed"),
        (later, QuizAnswered(0, 1), 3, 10.5, "closed"),
        (quiz, QuizAnswered(0, 1), 3, 9.9, ""),
    ]
    for state, payload, person, after_s, code in refused:
        assert code_of(answer, state, payload, person, context(after_s)) == code, (payload, person, after_s)


def test_players_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_PLAYERS", 1)
    quiz = answer(started(), QuizAnswered(0, 1), PLAYER, context(1))
    assert code_of(answer, quiz, QuizAnswered(0, 1), 3, context(1)) == "too_many"


def test_speed_decides_the_points() -> None:
    assert [points(QUESTIONS[0], Answer(1, after_ms)) for after_ms in (0, 5_000, 10_000, 10_900)] == [1_000, 750, 500, 500]
    assert points(QUESTIONS[0], Answer(2, 0)) == 0


@given(answers=st.lists(st.tuples(st.integers(2, 9), st.integers(0, 2), st.integers(0, 9_999)), max_size=30))
def test_whole_quiz_scores_first_answers_and_keeps_its_secrets(answers: list[tuple[int, int, int]]) -> None:
    quiz, expected, at = NEW, dict[int, int](), NOW
    for index, question in enumerate(QUESTIONS):
        server = index > 0
        quiz = ask(quiz, QuizAsked(index), HOST, Context(HOST, True, at, "host", server))
        answered = set[int]()
        for person, choice, after_ms in answers:
            now = Context(HOST, False, at + timedelta(milliseconds=after_ms), f"p{person}", False)
            if person in answered or choice >= len(question.choices):
                assert code_of(answer, quiz, QuizAnswered(index, choice), person, now) in {"too_many", "bad_frame"}
                continue
            quiz = answer(quiz, QuizAnswered(index, choice), person, now)
            answered.add(person)
            expected[person] = expected.get(person, 0) + points(question, Answer(choice, after_ms))
        quiz = msgspec.json.decode(msgspec.json.encode(quiz), type=Quiz)  # as it comes from the log
        wire = shown(quiz)
        assert (wire["question"]["right"], wire["question"]["counts"], wire["scores"]) == (None, None, [])
        assert '"right":1' not in json.dumps(wire, separators=(",", ":"))
        assert wire["answered"] == len(answered)
        assert QUIZ.due is not None
        assert QUIZ.on_due is not None
        at = quiz.until or at
        assert QUIZ.due(quiz) == at
        payload = QUIZ.on_due(quiz, at)
        now = Context(HOST, True, at, "host", True)
        if isinstance(payload, QuizRevealed):
            quiz = reveal(quiz, payload, HOST, now)
        else:
            assert isinstance(payload, QuizEnded)
            quiz = end(quiz, payload, HOST, now)
        wire = shown(quiz)
        assert wire["question"]["right"] == question.right
        assert sum(wire["question"]["counts"]) == len(answered)
        best = sorted(expected.items(), key=lambda one: (-one[1], one[0]))
        assert [(score["id"], score["score"]) for score in wire["scores"]] == best[: len(wire["scores"])]
        at = quiz.until or at
    assert (quiz.phase, quiz.until, shown(quiz)["players"]) == ("ended", None, len(expected))


def test_wire_state_of_500_players_is_small() -> None:
    quiz = started()
    for person in range(2, 502):
        quiz = answer(quiz, QuizAnswered(0, person % 3), person, context(person / 100))
    assert len(json.dumps(shown(quiz))) < 500
    assert len(json.dumps(shown(reveal(quiz, QuizRevealed(0), HOST, context(10, server=True))))) < 1_500
