"""Which shares run, and the places of those who share.

A place is a live value: never in the database, never in a log.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any, NamedTuple

from core.per_loop import PerLoop
from realtime import live
from realtime.publish import Person, RoomRef

TOPIC = "location"
# A share is read again after so long: of a room that is not open here this process does not hear that it ended.
FRESH_S = 5.0
MANY = 10_000


class Share(NamedTuple):
    """A running share."""

    seq: int
    # Seconds since 1970.
    until: float
    # The idempotency key of the frame that began it.
    key: str


class Shares:
    """The running shares that this process has read, by room and person."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, int], tuple[Share, float]] = OrderedDict()
        # (room, seq) of shares that have ended. A read that began before does not bring one back.
        self._ended: OrderedDict[tuple[int, int], None] = OrderedDict()

    def get(self, room: int, user: int) -> Share | None:
        """Return a share that was read just now; None where it must be read."""
        share, read_at = self._known.get((room, user), (None, 0.0))
        if share is None or time.monotonic() - read_at > FRESH_S or share.until <= time.time():
            return None
        return share

    def last(self, room: int, user: int) -> Share | None:
        """Return the share that was read last, fresh or not."""
        return self._known.get((room, user), (None, 0.0))[0]

    def has_ended(self, room: int, seq: int) -> bool:
        return (room, seq) in self._ended

    def end(self, room: int, user: int, seq: int) -> None:
        self.forget(room, user)
        self._ended[room, seq] = None
        if len(self._ended) > MANY:
            self._ended.popitem(last=False)

    def put(self, room: int, user: int, share: Share, read_at: float) -> None:
        """Note a share as of `read_at` (time.monotonic)."""
        self._known[room, user] = (share, read_at)
        self._known.move_to_end((room, user))
        if len(self._known) > MANY:
            self._known.popitem(last=False)

    def forget(self, room: int, user: int) -> None:
        self._known.pop((room, user), None)


known = PerLoop(Shares)


def on_begun(room: RoomRef, event: dict[str, Any]) -> None:
    """Read the person's share again: this one is newer."""
    known().forget(room.id, event["from"]["id"])


def on_ended(room: RoomRef, event: dict[str, Any]) -> None:
    """Remove the place from every device and store."""
    person = Person(event["from"]["id"], event["from"]["name"])
    end_place(room, person, event["target"])


def end_place(room: RoomRef, person: Person, seq: int) -> None:
    known().end(room.id, person.id, seq)
    live.end(room, TOPIC, str(seq), sender=person)
