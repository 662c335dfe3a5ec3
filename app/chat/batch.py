"""What one group commit does, apart from the database: who may write, which seq each message gets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from chat.wire import EventRow, log_event
from realtime.errors import NotAMember
from realtime.publish import LogEvent, RoomRef


@dataclass(slots=True)
class Append:
    """One message on its way into the log."""

    room: RoomRef
    author: int
    author_name: str
    key: str
    text: str
    alias: str = ""
    done: asyncio.Future[Stored] | None = field(default=None)
    expires: float = 0.0
    """Time of the event loop at which the sender is told that the outcome is unknown."""

    @property
    def identity(self) -> Identity:
        return (self.room.id, self.author, self.key)


@dataclass(slots=True)
class Stored:
    """Where the message is: the first commit's answer when the key was known already."""

    room: RoomRef
    seq: int
    at: datetime
    duplicate: bool
    event: LogEvent


class CannotStore(Exception):
    """A row is at fault, and nothing of its batch is stored."""

    def __init__(self, *, passing: bool = False) -> None:
        super().__init__()
        self.passing = passing
        """Whether the fault lies not with the message: it may be stored another time."""


Identity = tuple[int, int, str]
"""(room, author, key): stored once for ever."""
Result = Stored | Exception


class Plan(NamedTuple):
    results: list[Result]
    """In the order of the batch."""
    new: list[tuple[int, EventRow]]
    """Events to insert, each with its room."""
    heads: dict[int, int]
    """The new head of each room that got events."""


def plan(
    batch: Sequence[Append],
    *,
    heads: dict[int, int],
    members: set[tuple[int, int]],
    known: dict[Identity, EventRow],
    now: datetime,
) -> Plan:
    """Gives out the seqs above `heads`, whose rows the caller holds locked.

    `members` are the (room, user) pairs of the batch that are memberships, `known` the events that carry one of its keys.
    """
    results: list[Result] = []
    new: list[tuple[int, EventRow]] = []
    moved: dict[int, int] = {}
    known = dict(known)
    for append in batch:
        room = append.room
        if (room.id, append.author) not in members:
            results.append(NotAMember(f"you are not a member of {room.slug}"))
            continue
        identity = append.identity
        row = known.get(identity)
        duplicate = row is not None
        if row is None:
            moved[room.id] = seq = moved.get(room.id, heads[room.id]) + 1
            row = EventRow(seq, "message", append.author, append.author_name, append.key, now, append.text, append.alias)
            known[identity] = row
            new.append((room.id, row))
        results.append(Stored(room, row.seq, row.at, duplicate, log_event(row, room.slug)))
    return Plan(results, new, moved)
