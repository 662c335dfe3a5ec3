"""The pure functions of a poll: votes, closing, its form on the wire."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.closing import LONGEST
from core.errors import BadFrame, FrameRefused
from core.features import Context
from features.polls import events
from features.polls.events import Poll, PollClosed, PollVoted, check, close, shown, vote
from features.polls.results import table

AUTHOR, OTHER = 1, 2
NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLL = Poll("Tea?", ["yes", "no", "later"])


def context(*, owner: bool = False, after_s: float = 0) -> Context:
    return Context(AUTHOR, owner, NOW + timedelta(seconds=after_s))


def code_of(call: Any) -> str:
    """The code of the refusal, or "" where there is none."""
    try:
        call()
    except FrameRefused as refused:
        return refused.code
    return ""


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, ""),
        ({"question": " \u200d"}, "empty"),
        ({"question": "x" * (events.MAX_QUESTION + 1)}, "too_long"),
        ({"options": ["a", ""]}, "empty"),
        ({"options": ["a", "x" * (events.MAX_OPTION + 1)]}, "too_long"),
        ({"options": ["Straße", "STRASSE"]}, "bad_frame"),
        ({"closes_at": NOW}, "bad_frame"),
        ({"closes_at": NOW + timedelta(seconds=1)}, ""),
        ({"closes_at": NOW + LONGEST + timedelta(seconds=1)}, "bad_frame"),
    ],
)
def test_poll_is_checked(fields: dict[str, Any], code: str) -> None:
    assert code_of(lambda: check(msgspec.structs.replace(POLL, **fields), context())) == code


def test_only_author_owner_and_server_close_a_poll_once() -> None:
    closing = PollClosed()
    assert code_of(lambda: close(POLL, closing, OTHER, context())) == "forbidden"
    for closed in (close(POLL, closing, AUTHOR, context()), close(POLL, closing, OTHER, context(owner=True))):
        assert closed.closed
        assert code_of(lambda closed=closed: close(closed, closing, AUTHOR, context())) == "closed"
        assert code_of(lambda closed=closed: vote(closed, PollVoted([0]), OTHER, context())) == "closed"


def test_late_vote_is_refused_before_the_poll_is_closed() -> None:
    timed = msgspec.structs.replace(POLL, closes_at=NOW + timedelta(seconds=9))
    assert code_of(lambda: vote(timed, PollVoted([0]), OTHER, context(after_s=8.9))) == ""
    assert code_of(lambda: vote(timed, PollVoted([0]), OTHER, context(after_s=9))) == "closed"
    assert events.POLL.due is not None
    assert (events.POLL.due(timed), events.POLL.due(close(timed, PollClosed(), AUTHOR, context()))) == (timed.closes_at, None)


def test_poll_takes_a_bounded_number_of_voters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_VOTERS", 2)
    full = vote(vote(POLL, PollVoted([0]), 1, context()), PollVoted([0]), 2, context())
    assert code_of(lambda: vote(full, PollVoted([1]), 3, context())) == "too_many"
    assert vote(full, PollVoted([1]), 2, context()).votes == {"1": [0], "2": [1]}
    left = vote(full, PollVoted([]), 1, context())
    assert vote(left, PollVoted([1]), 3, context()).votes == {"2": [0], "3": [1]}


choices = st.lists(st.integers(-1, 4), max_size=4)


@given(multiple=st.booleans(), secret=st.booleans(), votes=st.lists(st.tuples(st.integers(1, 6), choices), max_size=40))
def test_tally_is_the_last_valid_vote_of_each_person(*, multiple: bool, secret: bool, votes: list[tuple[int, list[int]]]) -> None:
    poll = msgspec.structs.replace(POLL, multiple=multiple, secret=secret)
    model: dict[int, set[int]] = {}
    for person, chosen in votes:
        valid = set(chosen) <= {0, 1, 2} and len(set(chosen)) == len(chosen) <= (3 if multiple else 1)
        if not valid:
            with pytest.raises(BadFrame):
                vote(poll, PollVoted(chosen), person, context())
            continue
        poll = vote(poll, PollVoted(chosen), person, context())
        model[person] = set(chosen)
    stored = msgspec.json.decode(msgspec.json.encode(poll), type=Poll)
    assert stored == poll
    wire = shown(stored)
    voted = {person: chosen for person, chosen in model.items() if chosen}
    assert wire["tally"] == [sum(option in chosen for chosen in voted.values()) for option in range(3)]
    assert wire["voters"] == len(voted)
    assert wire["votes"] == ({} if secret else {str(person): sorted(chosen) for person, chosen in voted.items()})


def test_large_poll_lists_the_first_votes_only() -> None:
    people = range(1, events.LISTED_VOTES + 50)
    wire = shown(msgspec.structs.replace(POLL, votes={str(person): [1] for person in people}))
    assert (wire["voters"], wire["tally"]) == (len(people), [0, len(people), 0])
    assert list(wire["votes"]) == [str(person) for person in people[: events.LISTED_VOTES]]


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\N{FULLWIDTH EQUALS SIGN}1"]


def rows(text: str) -> list[list[str]]:
    assert text.startswith("\N{BOM}")
    return list(csv.reader(io.StringIO(text[1:], newline="")))


def test_csv_has_no_cell_that_is_a_formula() -> None:
    poll = Poll("?", [*FORMULAS, "plain, with a comma"], votes={"1": [0], "2": [0, 8]})
    header, *lines = rows(table(poll, {1: "=ada", 2: "bob"}))
    assert header == ["option", "votes", "voters"]
    assert [line[0] for line in lines] == [*(f"'{formula}" for formula in FORMULAS), "plain, with a comma"]
    assert [line[1:] for line in (lines[0], lines[8])] == [["2", "'=ada; bob"], ["1", "bob"]]


def test_csv_of_a_secret_poll_names_nobody() -> None:
    poll = Poll("?", ["a", "b"], secret=True, votes={"1": [0]})
    assert rows(table(poll, {1: "ada"})) == [["option", "votes"], ["a", "1"], ["b", "0"]]
