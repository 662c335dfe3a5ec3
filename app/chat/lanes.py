"""Queues of messages on their way into the log.

Rooms are split between lanes; a room's messages keep their order in its lane.

One commit takes from all lanes while the process is busy during commits: large commits cost least. A disk that syncs slowly
leaves the process idle; then each lane commits by itself, so that two commits are under way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence

from chat.batch import PendingEvent
from core.errors import Unavailable
from core.refusals import note_refusal
from core.words import words as _

QUEUE = 5_000
# Of text as it lies in memory, or less: a character outside ASCII counts as four bytes.
QUEUE_BYTES = 32 * 1024 * 1024
# Commits for all lanes whose idle time decides whether the next ones are split.
JUDGED = 8
# Idle seconds of such a commit, and their share of it, from which on two commits at a time pay for their smaller size.
IDLE_S, IDLE_SHARE = 0.002, 0.2
# Commits by lane before the next judgement: while they overlap, idle time says little.
SPLIT_COMMITS = 200


class Lane:
    def __init__(self) -> None:
        self.queue: deque[PendingEvent] = deque()
        self.busy = False
        self.publishing: asyncio.Task[None] | None = None


class Lanes:
    """Bounded queues, and which of them the next commit takes from."""

    def __init__(self, number: int) -> None:
        self._lanes = [Lane() for _ in range(number)]
        self._length = self._bytes = 0
        self._judged = self._split_left = 0
        self._idle_s = self._elapsed_s = 0.0

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    def __bool__(self) -> bool:
        return self._length > 0

    def add(self, append: PendingEvent) -> None:
        """Raises Unavailable when the queues are full."""
        size = _size(append)
        if self._length >= QUEUE or self._bytes + size > QUEUE_BYTES:
            note_refusal("queue", "messages", "")
            raise Unavailable(_("too many messages wait for the database"))
        self._length += 1
        self._bytes += size
        self._lanes[append.room.id % len(self._lanes)].queue.append(append)

    def next(self) -> list[Lane]:
        """Return the lanes of the commit that may begin now.

        Empty if there is nothing to commit, or the commit has to wait.
        """
        if self._split_left:
            return next(([lane] for lane in self._lanes if lane.queue and not lane.busy), [])
        return self._lanes if self and not any(lane.busy for lane in self._lanes) else []

    def take(self, lanes: Sequence[Lane], most: int) -> list[PendingEvent]:
        """Remove and return at most `most` messages of these lanes, without starving any.

        Each lane's oldest messages come first.
        """
        taken: list[PendingEvent] = []
        for left, lane in zip(range(len(lanes), 0, -1), sorted(lanes, key=lambda lane: len(lane.queue)), strict=True):
            taken += [lane.queue.popleft() for _ in range(min((most - len(taken)) // left, len(lane.queue)))]
        self._forget(taken)
        return taken

    def take_expired(self, now: float) -> list[PendingEvent]:
        """The messages whose senders have waited long enough."""
        late = []
        for lane in self._lanes:
            while lane.queue and lane.queue[0].expires <= now:
                late.append(lane.queue.popleft())
        self._forget(late)
        return late

    def take_all(self) -> list[PendingEvent]:
        left = [append for lane in self._lanes for append in lane.queue]
        for lane in self._lanes:
            lane.queue.clear()
        self._length = self._bytes = 0
        return left

    def note(self, idle_s: float, elapsed_s: float) -> None:
        """Record a commit that has ended.

        In `idle_s` of its `elapsed_s` seconds the process had nothing to do.
        """
        if self._split_left:
            self._split_left -= 1
            return
        self._judged += 1
        self._idle_s += idle_s
        self._elapsed_s += elapsed_s
        if self._judged == JUDGED:
            if self._idle_s >= max(JUDGED * IDLE_S, IDLE_SHARE * self._elapsed_s):
                self._split_left = SPLIT_COMMITS
            self._judged, self._idle_s, self._elapsed_s = 0, 0.0, 0.0

    def _forget(self, appends: Sequence[PendingEvent]) -> None:
        self._length -= len(appends)
        self._bytes -= sum(map(_size, appends))


def _size(append: PendingEvent) -> int:
    """Return an upper bound of the text's size in bytes.

    The text is not encoded: nearly every message would pay for that in vain.
    """
    return len(append.text) * (1 if append.text.isascii() else 4)
