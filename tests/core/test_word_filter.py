"""Whether a text holds all words of a question."""

from __future__ import annotations

import pytest

from core.word_filter import MOST_WORDS, holds, words_of

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("query", "texts", "held"),
    [
        ("", ("anything",), True),
        ("tea MILK", ("Milk in my Tea",), True),
        ("tea milk", ("Tea?", "with milk"), True),
        ("tea milk", ("Tea?",), False),
        ("STRASSE", ("Straße 7",), True),
        ("e\u0301tage", ("Étage",), True),
        ("full", ("\uff46\uff55\uff4c\uff4c",), True),
        ("温度", ("会议室温度",), True),
        ("度温", ("会议室温度",), False),
        ("ab", ("a", "b"), False),
    ],
)
def test_words_are_held_in_any_case_and_spelling(query: str, texts: tuple[str, ...], held: bool) -> None:
    assert holds(words_of(query), *texts) is held


def test_further_words_of_a_question_are_ignored() -> None:
    assert len(words_of("a " * 100)) == MOST_WORDS
