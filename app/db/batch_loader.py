"""Batch look-ups: keys requested at about the same time share a query.

Keys that are requested while a query runs, or soon after one began, share the next query. A reconnect storm makes thousands of
small look-ups at once; each alone would cost a thread, a connection and its check. A single look-up runs at once. A batch
takes one key of each person in turn: a person's many look-ups delay only their own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

import structlog

from core.errors import RateLimited
from core.per_loop import PerLoop
from core.refusals import note_refusal
from core.words import words as _
from db import database, queries
from db.connections import LOOKUP_CONNECTIONS
from db.pool import Pool
from db.queries import Query

logger = structlog.get_logger(__name__)

K = TypeVar("K")
V = TypeVar("V")

# Keys per query: handling a hundred results blocks the event loop for a few milliseconds.
MOST = 100


# Between the starts of two queries: each costs the worker about half a millisecond, even with few keys.
PACE_S = 0.012


class BatchLoader(Generic[K, V]):
    """`await lookup(key)` returns `answer([key, …]).get(key)`; see db/queries.py."""

    def __init__(self, answer: Callable[[list[K]], Query[Mapping[K, V]]], *, once: bool = False, pace_s: float = PACE_S) -> None:
        """`once`: only one caller gets the result; another with the same key gets None.

        `pace_s`: minimum seconds between the starts of two queries.
        """
        self._desk: PerLoop[_Batches[K, V]] = PerLoop(lambda: _Batches(answer, once, pace_s))

    async def __call__(self, key: K, owner: Hashable = None) -> V | None:
        """`owner`: the person in whose queue the key waits; without one it has its own.

        Raises DatabaseUnavailable, or RateLimited if database.QUEUE_EACH keys of the owner wait.
        """
        return await self._desk().ask(key, owner)


class _Batches(Generic[K, V]):
    """The look-ups of one event loop."""

    def __init__(self, answer: Callable[[list[K]], Query[Mapping[K, V]]], once: bool, pace_s: float) -> None:
        self._answer, self._once, self._pace_s = answer, once, pace_s
        # A future per caller: a cancelled one does not affect the others.
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        # The same keys by owner, the next owner first.
        self._lines: dict[Hashable, deque[K]] = {}
        self._task: asyncio.Task[None] | None = None
        self._next_at = 0.0

    async def ask(self, key: K, owner: Hashable) -> V | None:
        if len(self._waiting) >= database.QUEUE:
            note_refusal("queue", "look-ups", "")
            raise database.DatabaseUnavailable("too many callers wait for the database")
        if key not in self._waiting:
            self._line_up(key, ("alone", key) if owner is None else owner)
        asked = self._waiting.setdefault(key, [])
        if asked and self._once:
            return None
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[V | None] = loop.create_future()
        asked.append(mine)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work(loop))
        return await mine

    async def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            pause = self._next_at - loop.time()
            if pause > 0:
                await asyncio.sleep(pause)
            self._next_at = loop.time() + self._pace_s
            keys = self._next_keys()
            asked = {key: self._waiting.pop(key) for key in keys}
            try:
                answers = await _ask(self._answer(keys))
            except database.DatabaseUnavailable as error:
                # Include the keys that arrived meanwhile: in a later query they would wait twice.
                waiting, self._waiting, self._lines = self._waiting, {}, {}
                _fail((*asked.values(), *waiting.values()), error)
            except Exception as error:
                logger.exception("a question to the database failed", answer=repr(self._answer))
                _fail(asked.values(), error)
            else:
                for key, futures in asked.items():
                    answer = answers.get(key)
                    for future in futures:
                        if not future.done():
                            future.set_result(answer)

    def _line_up(self, key: K, owner: Hashable) -> None:
        line = self._lines.setdefault(owner, deque())
        if len(line) >= database.QUEUE_EACH:
            note_refusal("calls", f"{owner} has too many questions waiting", "")
            raise RateLimited(_("too many of your requests wait; wait for their answers"), retry_after=1)
        line.append(key)

    def _next_keys(self) -> list[K]:
        """Take up to MOST keys, one per owner in turn; an owner with more goes to the end."""
        keys: list[K] = []
        while self._lines and len(keys) < MOST:
            owner = next(iter(self._lines))
            line = self._lines.pop(owner)
            keys.append(line.popleft())
            if line:
                self._lines[owner] = line
        return keys


async def _ask(answer: Query[Mapping[K, V]]) -> Mapping[K, V]:
    if queries.on_the_loop():
        return await queries.by(_pool(), answer)
    return await database.run(queries.by_orm, answer)


# Shared by all look-ups.
_pool = PerLoop(lambda: Pool("look-ups", LOOKUP_CONNECTIONS))


async def close() -> None:
    """Close the running event loop's connections.

    Later look-ups raise DatabaseUnavailable.
    """
    await _pool().close()


def _fail(asked: Iterable[list[asyncio.Future[V | None]]], error: Exception) -> None:
    for futures in asked:
        for future in futures:
            if not future.done():
                future.set_exception(error)
                future.exception()  # mark it as retrieved: the caller may be cancelled
