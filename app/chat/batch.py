"""What one group commit is asked and what it answers, apart from the database."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chat.encoding import EventRow, log_event
from core.errors import Forbidden, FrameRefused, NotAMember
from realtime.publish import LogEvent, RoomRef


@dataclass(slots=True)
class Append:
    """One event on its way into the log."""

    room: RoomRef
    author: int
    author_name: str
    key: str
    # Of a message or an edit.
    text: str = ""
    alias: str = ""
    kind: str = "message"
    # Of an amending event: the seq of the event that it amends, and what `apply` is given.
    target: int | None = None
    payload: Any = None
    data: dict[str, Any] | None = None
    done: asyncio.Future[Stored] | None = field(default=None)
    expires: float = 0.0
    """Time of the event loop at which the sender is told that the outcome is unknown."""

    @property
    def identity(self) -> Identity:
        return (self.room.id, self.author, self.key)


@dataclass(slots=True)
class Stored:
    """Where the event is: the first commit's answer when the key was known already."""

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
Seqs = Mapping[Identity, int | Exception]
"""What became of each key of a batch: the seq it was given; 0 where its author may not write; -seq where it was known already;
the refusal of an amending event."""


def firsts(batch: Sequence[Append]) -> dict[Identity, Append]:
    """The first event of each key, in their order."""
    found: dict[Identity, Append] = {}
    for append in batch:
        found.setdefault(append.identity, append)
    return found


def results(batch: Sequence[Append], seqs: Seqs, known: dict[Identity, EventRow], now: datetime) -> list[Result]:
    """What each sender is told, in the order of the batch; `known` are the events of the keys that were."""
    told: list[Result] = []
    new: dict[Identity, EventRow] = {}
    for append in batch:
        identity = append.identity
        seq = seqs[identity]
        if isinstance(seq, Exception):
            told.append(seq)
            continue
        if not seq:
            told.append(_refusal(append.room))
            continue
        row = known[identity] if seq < 0 else new.get(identity)
        duplicate = row is not None
        if row is None:
            row = new[identity] = row_of(append, seq, now)
        told.append(Stored(append.room, row.seq, row.at, duplicate, log_event(row, append.room.slug)))
    return told


def row_of(append: Append, seq: int, now: datetime) -> EventRow:
    """The event as it reads right after its commit."""
    row = EventRow(seq, append.kind, append.author, append.author_name, append.key, now, append.text, append.alias)
    return row if append.target is None else row._replace(target=append.target, data=append.data)


def _refusal(room: RoomRef) -> FrameRefused:
    if room.direct:  # nobody leaves one: its author is still in it
        return Forbidden("this person does not take messages from you")
    return NotAMember(f"you are not a member of {room.slug}")
