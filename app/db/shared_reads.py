"""Reads whose answer never changes: callers who ask for the same meanwhile share one.

A room that a thousand people open has one latest page. Each asker stands in line for it at the database's gate, up to LINES of
them: so the read happens in the turn of the first who is admitted, and nobody waits behind the flood of another person.
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
    """`await reads(key, owner)` is what `read(key)` returns, from a database thread.

    Only for answers that never change: a caller may get one whose read began before the question.
    """

    def __init__(self, read: Callable[[K], V]) -> None:
        self._read = read
        self._running: PerLoop[dict[K, _Read[V]]] = PerLoop(dict)

    async def __call__(self, key: K, owner: Owner) -> V:
        """Raises DatabaseUnavailable, RateLimited, or what `read` raises."""
        running = self._running()
        read = running.get(key)
        if read is None:
            read = running[key] = _Read(functools.partial(self._read, key), functools.partial(running.pop, key))
        read.line_up(owner)
        return await asyncio.shield(read.answer)  # one who gives up takes nothing from the others


class _Read(Generic[V]):
    def __init__(self, function: Callable[[], V], ended: Callable[[], object]) -> None:
        self._function, self._ended = function, ended
        self.answer: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._lines: dict[Owner, asyncio.Task[tuple[V] | None]] = {}
        self._waiting = 0
        self._started = False
        self._lock = threading.Lock()

    def line_up(self, owner: Owner) -> None:
        """Stand in line for `owner`, too, unless the read has started or enough others wait."""
        if self._started or owner in self._lines or len(self._lines) >= LINES:
            return
        task = self._lines[owner] = asyncio.get_running_loop().create_task(database.run_for(owner, self._start))
        self._waiting += 1
        task.add_done_callback(self._left_line)

    def _start(self) -> tuple[V] | None:
        """In a database thread. None for those who are admitted after the first."""
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
            self.answer.exception()  # seen: the callers may have gone
