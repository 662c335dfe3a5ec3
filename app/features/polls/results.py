"""A poll's result as a table for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from core.spreadsheet import csv_of
from features.polls.events import Poll, tally


def table(poll: Poll, names: Mapping[int, str]) -> str:
    """Return the CSV of a poll, a line for each option.

    The people who chose the option are on it, too, unless the poll is secret. `names`: user → name.
    """
    return csv_of(_rows(poll, names))


def _rows(poll: Poll, names: Mapping[int, str]) -> Iterator[list[object]]:
    yield ["option", "votes"] if poll.secret else ["option", "votes", "voters"]
    for index, (option, votes) in enumerate(zip(poll.options, tally(poll), strict=True)):
        voters = sorted(names.get(int(person), person) for person, chosen in poll.votes.items() if index in chosen)
        yield [option, votes] if poll.secret else [option, votes, "; ".join(voters)]
