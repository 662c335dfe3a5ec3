"""Questions: what is asked for, and how well a text answers.

Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadFrame, Empty, TooLong
from features.search import query as query_of_server
from features.search import words
from features.search.matching import EXCERPT, excerpt, match
from features.search.query import LONGEST, MOST_TERMS, Question, lowered, parse
from tests.support.server import ROOT

pytestmark = pytest.mark.once

WORD = st.from_regex(r"[a-zäß会0-9]{1,8}", fullmatch=True)
TEXT = st.text(alphabet=st.sampled_from("ab Aä ßİ会议-._'\"\\%:🎉"), max_size=60)


def test_page_reads_a_question_as_the_server_does() -> None:
    page = (ROOT / "frontend/src/features/search/wrong.ts").read_text()
    assert f"PART = /{query_of_server._PART.pattern}/gi\n" in page
    assert f"MOST_WORDS = {MOST_TERMS}\n" in page


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("from\N{FULLWIDTH COLON}ada 会议", "from:ada 会议"),
        ("\N{LEFT DOUBLE QUOTATION MARK}at noon\N{RIGHT DOUBLE QUOTATION MARK} lunch", '"at noon" lunch'),
        ("in:\N{LEFT DOUBLE QUOTATION MARK}team", 'in:"team"'),
    ],
)
def test_marks_of_phones_and_input_methods_are_read(typed: str, same: str) -> None:
    assert parse(typed) == parse(same)


@given(st.text(max_size=LONGEST + 5))
def test_any_text_is_a_question_or_refused(query: str) -> None:
    try:
        found = parse(query)
    except (BadFrame, Empty, TooLong):
        return
    assert found != Question()
    assert len(found.terms) <= MOST_TERMS


@given(
    terms=st.lists(WORD, max_size=4, unique=True), author=st.none() | WORD, room=st.none() | WORD, day=st.none() | st.dates(),
    has_file=st.booleans(), phrase=st.none() | st.tuples(WORD, WORD),
)  # fmt: skip
def test_parts_of_a_question_are_read_in_any_mixture(
    terms: list[str], author: str | None, room: str | None, day: object, has_file: bool, phrase: tuple[str, str] | None
) -> None:
    given_filters = {"from": author, "In": room, "before": day}
    parts = [*terms, *(f"{name}:{value}" for name, value in given_filters.items() if value is not None)]
    parts += ["has:file"] * has_file + ([f'"{phrase[0]}  {phrase[1]}"'] if phrase else [])
    parts.sort(key=lambda part: part[::-1])
    if not parts:
        return
    found = parse("  ".join(parts))
    assert set(found.terms) == {lowered(term) for term in terms} | ({lowered(" ".join(phrase))} if phrase else set())
    assert (found.author, found.room, found.has_file) == (author, room, has_file)
    assert (str(found.before.date()) if found.before else None) == (str(day) if day else None)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("before:soon x", "before:"),
        ("after:2026-13-01", "after:"),
        ("from:ada from:bob", "from:"),
        ("has:cake", "has:"),
        # The first and the last day that there are, which UTC has not.
        ("before:0001-01-01T00:00+14:00", "before:"),
        ("after:9999-12-31T23:59-14:00", "after:"),
    ],
)
def test_value_that_cannot_be_read_is_named(query: str, named: str) -> None:
    with pytest.raises(BadFrame, match=named):
        parse(query)


def test_half_typed_filter_asks_for_nothing() -> None:
    assert parse("hello from: in:").terms == ("hello",)
    with pytest.raises(Empty):
        parse("from:")
    assert parse("after:2026-11-30T10:00:00+02:00").after == datetime(2026, 11, 30, 8, tzinfo=UTC)


@given(TEXT, TEXT)
def test_term_is_found_exactly_where_it_stands(text: str, query: str) -> None:
    terms = tuple(lowered(query).split())
    found = match(text, terms)
    assert (found is not None) == all(term in lowered(text) for term in terms)
    if found is not None:
        covered = {place for start, end in found.spans for place in range(start, end)}
        for start, end in found.spans:
            assert 0 <= start < end <= len(text)
        for term in terms:
            at = lowered(text).find(term)
            assert covered >= set(range(at, at + len(term)))


@given(st.text(alphabet="ab 会", min_size=EXCERPT, max_size=3 * EXCERPT), st.sampled_from(["a", "b a", "会会"]))
def test_excerpt_shows_the_first_highlight(text: str, term: str) -> None:
    found = match(text, (term,))
    if found is None:
        return
    shown, spans = excerpt(text, found.spans)
    assert len(shown) <= EXCERPT + 2
    assert spans
    start, _ = spans[0]
    assert shown[start : start + len(term)].lower() == term


def test_whole_words_rank_before_beginnings_and_parts() -> None:
    scores = [match(text, ("base",)) for text in ("a base camp", "baseball", "database")]
    assert [found.score if found else 0 for found in scores] == [3, 2, 1]


@given(TEXT)
def test_lookup_of_the_index_is_well_formed(text: str) -> None:
    lookup = words.tsquery(tuple(lowered(text).split()), {})
    assert lookup.count("'") % 2 == 0
    assert ("'" in lookup) == bool(words.pieces(lowered(text)))
