"""A poll in the log: its state, changes by votes and closing, its wire form."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from chat.closing import check_closing, has_closed, may_close
from chat.text import check_text
from core.errors import BadFrame, Closed, Forbidden, TooMany
from core.features import Context, EventKind
from core.words import words as _

MAX_QUESTION = 300
MAX_OPTION = 120
MAX_VOTERS = 10_000
# Votes that an event lists. Above it only numbers: each vote goes to everybody in the room.
LISTED_VOTES = 200


class Poll(msgspec.Struct, frozen=True, tag="poll"):
    """A poll in its present state, as it is stored.

    Votes leave the server through PollState only.
    """

    question: str
    options: list[str]
    multiple: bool = False
    secret: bool = False
    closes_at: datetime | None = None
    closed: bool = False
    # User → indexes of their options, ascending.
    votes: dict[str, list[int]] = {}


class PollVoted(msgspec.Struct, frozen=True, tag="poll.voted"):
    choices: list[int]


class PollClosed(msgspec.Struct, frozen=True, tag="poll.closed"):
    pass


class PollState(msgspec.Struct, frozen=True):
    """A poll on the wire."""

    question: str
    options: list[str]
    multiple: bool
    secret: bool
    closes_at: datetime | None
    closed: bool
    # Votes of each option, and people who voted.
    tally: list[int]
    voters: int
    # User → choices, of the first LISTED_VOTES by id. Empty when the poll is secret.
    votes: dict[str, list[int]]


def check(poll: Poll, context: Context) -> None:
    """Refuse a poll whose texts, options or closing time are wrong."""
    check_text(_("question"), poll.question, MAX_QUESTION)
    for option in poll.options:
        check_text(_("option"), option, MAX_OPTION)
    if len({option.casefold() for option in poll.options}) < len(poll.options):
        raise BadFrame(_("two options are the same"))
    check_closing(poll.closes_at, context)


def vote(poll: Poll, payload: PollVoted, author: int, context: Context) -> Poll:
    """Replace the person's vote.

    No choices: take it back.
    """
    if has_closed(poll.closed, poll.closes_at, context):
        raise Closed(_("the poll is closed"))
    choices = sorted(set(payload.choices))
    if len(choices) < len(payload.choices):
        raise BadFrame(_("a choice is given twice"))
    if choices and not 0 <= choices[0] <= choices[-1] < len(poll.options):
        raise BadFrame(_("choices are numbers from 0 to {last}", last=len(poll.options) - 1))
    if len(choices) > 1 and not poll.multiple:
        raise BadFrame(_("this poll takes one choice"))
    others = {person: chosen for person, chosen in poll.votes.items() if person != str(author)}
    if choices and len(others) >= MAX_VOTERS:
        raise TooMany(_("a poll takes votes of {most} people", most=MAX_VOTERS))
    return msgspec.structs.replace(poll, votes={**others, str(author): choices} if choices else others)


def close(poll: Poll, payload: PollClosed, author: int, context: Context) -> Poll:
    """End the poll.

    Its author and the room's owners may, and the server when its time has come.
    """
    if poll.closed:
        raise Closed(_("the poll is closed"))
    if not may_close(author, context):
        raise Forbidden(_("only its author and the room's owners close a poll"))
    return msgspec.structs.replace(poll, closed=True)


def shown(poll: Poll) -> dict[str, Any]:
    """Return the poll as sent to clients: without votes if it is secret."""
    fields: dict[str, Any] = msgspec.to_builtins(state(poll))
    return fields


def state(poll: Poll) -> PollState:
    return PollState(
        question=poll.question,
        options=poll.options,
        multiple=poll.multiple,
        secret=poll.secret,
        closes_at=poll.closes_at,
        closed=poll.closed,
        tally=tally(poll),
        voters=len(poll.votes),
        votes={} if poll.secret else {person: poll.votes[person] for person in sorted(poll.votes, key=int)[:LISTED_VOTES]},
    )


def tally(poll: Poll) -> list[int]:
    """Count the votes of each option."""
    counts = [0] * len(poll.options)
    for choices in poll.votes.values():
        for choice in choices:
            counts[choice] += 1
    return counts


POLL = EventKind(
    payload=Poll,
    listed=True,
    counts=True,
    check=check,
    public=shown,
    wire=PollState,
    due=lambda poll: None if poll.closed else poll.closes_at,
    on_due=lambda _poll, _now: PollClosed(),
)
# With its voter's name, the tallies of two events in a row would tell a secret vote.
VOTED = EventKind(payload=PollVoted, amends=Poll, apply=vote, anonymous=lambda poll: poll.secret)
CLOSED = EventKind(payload=PollClosed, amends=Poll, apply=close)
