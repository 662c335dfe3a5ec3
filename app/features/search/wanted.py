"""What the database is asked for, and its answer."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from features.search.query import Question

# Matches that are read at most: the newest ones, of which the best are shown.
CANDIDATES = 200


class Wanted(NamedTuple):
    question: Question
    # id → slug of the rooms to search, never empty.
    rooms: dict[int, str]
    # Kinds of events whose text is searched.
    kinds: list[str]
    author: int | None
    # Only events before this seq, in the one room.
    before_seq: int | None
    # Whether the newest matches are asked for in their order, and not the best ones.
    newest: bool
    limit: int


class Found(NamedTuple):
    id: int
    room: int
    seq: int
    author: int
    author_name: str
    at: datetime
    text: str
