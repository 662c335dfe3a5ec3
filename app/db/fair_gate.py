"""Admit calls fairly: many calls of one person do not delay other people.

A gate has a number of slots. Each owner holds at most a share of them; waiting owners are admitted one call each, round robin.
So an owner's calls wait behind their own, never ahead of another owner's. After expensive calls an owner's share stays smaller
for a while. Owner None is the process itself: it has no limit and goes first.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Hashable

from core.errors import RateLimited
from core.words import words as _

Owner = Hashable | None


class _Line(deque["asyncio.Future[None]"]):
    """Waiting calls of one owner, the first one first."""

    # Calls admitted since this queue began.
    admitted = 0


class FairGate:
    """The slots of one event loop.

    Not thread-safe.
    """

    def __init__(self, slots: int, *, share: int, waiting: int) -> None:
        """`share`: slots of one owner at most.

        `waiting`: waiting calls of one owner at most.
        """
        self._free, self._share, self._waiting = slots, share, waiting
        self._held: dict[Owner, int] = {}
        self._queues: dict[Owner, _Line] = {}
        # Owners with waiting calls and a free share, the next one first.
        self._ready: OrderedDict[Owner, None] = OrderedDict()

    async def enter(self, owner: Owner, *, limit_s: float | None = None) -> None:
        """Wait for a slot; return it with `leave`.

        Raises RateLimited if too many calls of the owner wait, or if the owner's own calls delayed this one by `limit_s`;
        TimeoutError if other calls did.
        """
        if self._free and not self._ready and self._below_share(owner):
            self._hold(owner)
            return
        line = self._queues.setdefault(owner, _Line())
        if owner is not None and len(line) >= self._waiting:
            raise RateLimited(_("too many of your requests wait; wait for their answers"), retry_after=1)
        admitted = asyncio.get_running_loop().create_future()
        line.append(admitted)
        ahead = line.admitted
        self._line_up(owner)
        try:
            async with asyncio.timeout(limit_s):
                await admitted
        except (asyncio.CancelledError, TimeoutError) as error:
            if admitted.done() and not admitted.cancelled():
                self.leave(owner)
            else:
                self._forget(owner, admitted)
            if isinstance(error, TimeoutError) and owner is not None and line.admitted > ahead:
                message = _("your requests wait behind each other; wait for their answers")
                raise RateLimited(message, retry_after=math.ceil(limit_s or 1)) from None
            raise

    def leave(self, owner: Owner, *, rest_s: float = 0.0) -> None:
        """Return a slot and admit the next calls.

        The owner's share stays reduced for `rest_s` seconds.
        """
        self._free += 1
        if rest_s > 0:
            asyncio.get_running_loop().call_later(rest_s, self._rested, owner)
        else:
            self._give_back(owner)
        self._admit_ready()

    def _rested(self, owner: Owner) -> None:
        self._give_back(owner)
        self._admit_ready()

    def _give_back(self, owner: Owner) -> None:
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        self._line_up(owner)

    def _admit_ready(self) -> None:
        while self._free and self._ready:
            self._admit(None if None in self._ready else next(iter(self._ready)))

    def _admit(self, owner: Owner) -> None:
        del self._ready[owner]
        queue = self._queues[owner]
        admitted = queue.popleft()
        queue.admitted += 1
        if not queue:
            del self._queues[owner]
        if not admitted.done():
            self._hold(owner)
            admitted.set_result(None)
        self._line_up(owner)  # at the end, behind the other owners

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
