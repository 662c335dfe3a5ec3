"""Share reads with immutable results among concurrent callers.

A room opened by a thousand people has one latest page. Up to LINES callers each wait in their own queue at the database's
gate, so the read runs as soon as the first of them is admitted, and no one waits behind another person's flood.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from core.errors import RateLimited
from core.per_loop import PerLoop
from db import database
from db.fair_gate import Owner

K = TypeVar("K")
V = TypeVar("V")

LINES = 8


class SharedReads(Generic[K, V]):
    """`await reads(key, owner)` returns `read(key)`, run in a database thread.

    Only for immutable results: a caller may get the result of a read that began before its call.
    """

    def __init__(self, read: Callable[[K], V]) -> None:
        self._read = read
        self._running: PerLoop[dict[K, _Read[V]]] = PerLoop(dict)

    async def __call__(self, key: K, owner: Owner) -> V:
        """Raises DatabaseUnavailable, RateLimited, or the errors of `read`."""
        running = self._running()
        read = running.get(key)
        if read is None:
            read = running[key] = _Read(functools.partial(self._read, key), functools.partial(running.pop, key))
        read.line_up(owner)
        return await asyncio.shield(read.answer)  # a cancelled caller does not affect the others


class _Read(Generic[V]):
    def __init__(self, function: Callable[[], V], ended: Callable[[], object]) -> None:
        self._function, self._ended = function, ended
        self.answer: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._lines: dict[Owner, asyncio.Task[tuple[V] | None]] = {}
        self._waiting = 0
        self._started = False
        self._lock = threading.Lock()

    def line_up(self, owner: Owner) -> None:
        """Wait in the queue of `owner`, too, unless started or enough callers wait."""
        if self._started or owner in self._lines or len(self._lines) >= LINES:
            return
        task = self._lines[owner] = asyncio.get_running_loop().create_task(database.run_for(owner, self._start))
        self._waiting += 1
        task.add_done_callback(self._left_line)

    def _start(self) -> tuple[V] | None:
        """Read in a database thread; return None in calls admitted later than the first."""
        with self._lock:
            if self._started:
                return None
            self._started = True
        return (self._function(),)

    def _left_line(self, task: asyncio.Task[tuple[V] | None]) -> None:
        self._waiting -= 1
        failure = database.DatabaseUnavailable("the read was given up") if task.cancelled() else task.exception()
        if self.answer.done():
            return
        if failure is None:
            if (found := task.result()) is not None:
                self._ended()
                self.answer.set_result(found[0])
        elif not isinstance(failure, RateLimited) or not self._waiting:
            self._ended()
            self.answer.set_exception(failure)
            self.answer.exception()  # mark it as retrieved: the callers may be cancelled
