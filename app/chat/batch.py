"""Requests and results of one group commit, without the database."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chat.encoding import Amended, EventRow
from core.errors import Forbidden, FrameRefused, NotAMember
from core.words import words as _
from realtime.publish import LogEvent, RoomRef


@dataclass(slots=True)
class PendingEvent:
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
    # Of a message that answers another one: as its `reply_to` reads now.
    quoted: dict[str, Any] | None = None
    # Written by the server in its author's name: whether they may write is not asked.
    by_server: bool = False
    done: asyncio.Future[Stored] | None = field(default=None)
    # Time of the event loop at which the sender gets Unavailable: the outcome is unknown.
    expires: float = 0.0

    @property
    def identity(self) -> Identity:
        return (self.room.id, self.author, self.key)

    @property
    def mentions(self) -> list[int]:
        """The ids of the people that a message names; 0: everybody in the room."""
        return self.data.get("mentions", []) if self.kind == "message" and self.data else []

    @property
    def is_plain(self) -> bool:
        """Whether it is a message and nothing but text."""
        return self.payload is None and self.data is None and not self.by_server


@dataclass(slots=True)
class Stored:
    """Where the event is: the first commit's answer when the key was known already."""

    room: RoomRef
    seq: int
    at: datetime
    duplicate: bool
    event: LogEvent
    # When the server has to act on the thing that the event made or amended.
    due: datetime | None = None


class CannotStore(Exception):
    """A row is at fault, and nothing of its batch is stored."""

    def __init__(self, *, transient: bool = False) -> None:
        super().__init__()
        # Whether the fault lies not with the message: it may be stored another time.
        self.transient = transient


# (room, author, key): stored once for ever.
Identity = tuple[int, int, str]
Result = Stored | Exception
# What became of each key of a batch: the seq it was given; 0 where its author may not write; -seq where it was known already;
# the refusal of an amending event.
Seqs = Mapping[Identity, int | Exception]


def dedupe_by_key(batch: Sequence[PendingEvent]) -> dict[Identity, PendingEvent]:
    """The first event of each key, in their order."""
    found: dict[Identity, PendingEvent] = {}
    for append in batch:
        found.setdefault(append.identity, append)
    return found


def row_of(append: PendingEvent, seq: int, now: datetime, amended: Amended | None = None) -> EventRow:
    """The event as it reads right after its commit."""
    row = EventRow(seq, append.kind, append.author, append.author_name, append.key, now, append.text, append.alias)
    return row._replace(target=append.target, data=append.data, amended=amended, quoted=append.quoted)


def refusal_of(room: RoomRef) -> FrameRefused:
    """Return why a person may not write in a room."""
    if room.direct:  # a direct room cannot be left: its author is still in it
        return Forbidden(_("this person does not take messages from you"))
    return NotAMember(_("you are not a member of {room}", room=room.slug))
