"""Queues of messages on their way into the log. Rooms are split between lanes; a room's messages keep their order in its lane.

While commits are quick, one commit takes from all lanes: large commits cost least. A disk that syncs slowly leaves the process
idle; then each lane commits by itself, so that two commits are under way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence

from chat.batch import Append
from realtime.errors import Unavailable

QUEUE = 5_000
QUEUE_BYTES = 32 * 1024 * 1024
"""Of text as it lies in memory, or less: a character outside ASCII counts as four bytes."""
SLOW_S = 0.002
"""A commit that is under way for longer, while the event loop has nothing else to do, is slow."""
SPLIT_AT, MOST = 4, 8
"""Lanes commit apart while slow commits outnumber quick ones by SPLIT_AT; MOST is where counting ends."""


class Lane:
    def __init__(self) -> None:
        self.queue: deque[Append] = deque()
        self.busy = False
        self.publishing: asyncio.Task[None] | None = None


class Lanes:
    """Bounded queues, and which of them the next commit takes from."""

    def __init__(self, number: int) -> None:
        self._lanes = [Lane() for _ in range(number)]
        self._length = self._bytes = 0
        self._slow = 0

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    def __bool__(self) -> bool:
        return self._length > 0

    def add(self, append: Append) -> None:
        """Raises Unavailable when the queues are full."""
        size = _size(append)
        if self._length >= QUEUE or self._bytes + size > QUEUE_BYTES:
            raise Unavailable("too many messages wait for the database")
        self._length += 1
        self._bytes += size
        self._lanes[append.room.id % len(self._lanes)].queue.append(append)

    def next(self) -> list[Lane]:
        """The lanes of the commit that may begin now; none where there is nothing to commit, or it has to wait."""
        if self._slow >= SPLIT_AT:
            return next(([lane] for lane in self._lanes if lane.queue and not lane.busy), [])
        return self._lanes if self and not any(lane.busy for lane in self._lanes) else []

    def take(self, lanes: Sequence[Lane], most: int) -> list[Append]:
        """At most so many messages of these lanes, each lane's oldest first; none of them is starved."""
        taken: list[Append] = []
        for left, lane in zip(range(len(lanes), 0, -1), sorted(lanes, key=lambda lane: len(lane.queue)), strict=True):
            taken += [lane.queue.popleft() for _ in range(min((most - len(taken)) // left, len(lane.queue)))]
        self._forget(taken)
        return taken

    def take_expired(self, now: float) -> list[Append]:
        """The messages whose senders have waited long enough."""
        late = []
        for lane in self._lanes:
            while lane.queue and lane.queue[0].expires <= now:
                late.append(lane.queue.popleft())
        self._forget(late)
        return late

    def take_all(self) -> list[Append]:
        left = [append for lane in self._lanes for append in lane.queue]
        for lane in self._lanes:
            lane.queue.clear()
        self._length = self._bytes = 0
        return left

    def note(self, *, slow: bool) -> None:
        """A commit has ended."""
        self._slow = min(MOST, self._slow + 1) if slow else max(0, self._slow - 1)

    def _forget(self, appends: Sequence[Append]) -> None:
        self._length -= len(appends)
        self._bytes -= sum(map(_size, appends))


class Stopwatch:
    """Whether something took longer than SLOW_S while the event loop was free: a busy loop would be late to notice its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.slow = False
        self._handle: asyncio.Handle = loop.call_later(SLOW_S, self._in_a_moment, 3)

    def _in_a_moment(self, ticks: int) -> None:
        # What arrived in the same tick is first handled, in up to three.
        self.slow = ticks == 0
        if ticks:
            self._handle = self._loop.call_soon(self._in_a_moment, ticks - 1)

    def stop(self) -> bool:
        """Whether it was slow."""
        self._handle.cancel()
        return self.slow


def _size(append: Append) -> int:
    """Bytes its text takes at most; without encoding it, which the ordinary case would pay for."""
    return len(append.text) * (1 if append.text.isascii() else 4)
