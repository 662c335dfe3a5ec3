"""Admit work in turn: a person's calls wait behind their own, never before other people's.

A gate has a number of slots. Each owner holds at most a share of them, and owners that wait are admitted one call each,
round robin. Owner None is the process itself: it has no share, and it goes first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable

from core.errors import RateLimited

Owner = Hashable | None


class FairGate:
    """Slots of one event loop. Not safe to use from threads."""

    def __init__(self, slots: int, *, share: int, waiting: int) -> None:
        """`share`: slots of one owner at most; `waiting`: calls of one owner that may wait."""
        self._free, self._share, self._waiting = slots, share, waiting
        self._held: dict[Owner, int] = {}
        self._queues: dict[Owner, deque[asyncio.Future[None]]] = {}
        # Owners that wait and hold less than their share, the next one first.
        self._ready: OrderedDict[Owner, None] = OrderedDict()

    async def enter(self, owner: Owner) -> None:
        """Wait for a slot, to be given back with `leave`. Raises RateLimited when too many calls of the owner wait."""
        if self._free and not self._ready and self._below_share(owner):
            self._hold(owner)
            return
        queue = self._queues.setdefault(owner, deque())
        if owner is not None and len(queue) >= self._waiting:
            raise RateLimited("too many of your requests wait; wait for their answers", retry_after=1)
        admitted = asyncio.get_running_loop().create_future()
        queue.append(admitted)
        self._line_up(owner)
        try:
            await admitted
        except asyncio.CancelledError:
            if admitted.done() and not admitted.cancelled():
                self.leave(owner)
            else:
                self._forget(owner, admitted)
            raise

    def leave(self, owner: Owner) -> None:
        """Give a slot back and admit the next callers."""
        self._free += 1
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        self._line_up(owner)
        while self._free and self._ready:
            self._admit(None if None in self._ready else next(iter(self._ready)))

    def _admit(self, owner: Owner) -> None:
        del self._ready[owner]
        queue = self._queues[owner]
        admitted = queue.popleft()
        if not queue:
            del self._queues[owner]
        if not admitted.done():
            self._hold(owner)
            admitted.set_result(None)
        self._line_up(owner)  # at the end: the others come first

    def _hold(self, owner: Owner) -> None:
        self._free -= 1
        self._held[owner] = self._held.get(owner, 0) + 1

    def _below_share(self, owner: Owner) -> bool:
        return owner is None or self._held.get(owner, 0) < self._share

    def _line_up(self, owner: Owner) -> None:
        if owner in self._queues and owner not in self._ready and self._below_share(owner):
            self._ready[owner] = None

    def _forget(self, owner: Owner, call: asyncio.Future[None]) -> None:
        queue = self._queues.get(owner)
        if queue is not None and call in queue:
            queue.remove(call)
            if not queue:
                del self._queues[owner]
                self._ready.pop(owner, None)
