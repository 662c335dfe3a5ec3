"""The log's writer: senders that arrive together share a transaction (group commit).

One per process. A bounded queue in front; rooms are locked in the order of their ids, so that processes never
deadlock; the row lock gives out `seq`, so that it follows commit order without holes; a row that cannot be stored
fails alone, not its batch.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from traceback import format_tb
from typing import Protocol

import structlog
from django.db import connection

from chat.batch import Append, CannotStore, Result, Stored
from chat.store_orm import OrmStore
from chat.store_postgres import PostgresStore
from ops import database, metrics
from ops.per_loop import PerLoop
from ops.turns import turn
from realtime.errors import BadFrame, Unavailable
from realtime.publish import RoomRef, log_events

log = structlog.get_logger(__name__)

QUEUE = 5_000
QUEUE_BYTES = 32 * 1024 * 1024
"""Of text as it lies in memory, or less: a character outside ASCII counts as four bytes."""
BATCH = 500
ANSWER_S = 5.0
CLOSE_S = ANSWER_S + database.LIMIT_S + 1.0
"""The last message is given up after ANSWER_S; a commit that was begun just before that ends within its own limit."""
ROOMS_A_TURN = 16
"""Told of what was committed, before the next batch's way to the database has a turn."""
LATE = "the database did not answer in time; send the same key again"
AWAY = "the database is away; send the same key again"
GOING = "this server is going away; send the same key again"
NOT_NOW = "the message could not be stored now; send the same key again"
LOOK_S = 0.25
"""How often it is looked for messages that waited for ANSWER_S: a timer for each would cost more than the message."""


class Store(Protocol):
    """Where batches go. One result for each message, in order.

    Raises DatabaseUnavailable when the outcome is unknown, CannotStore when a row is at fault and nothing is stored.
    """

    async def store(self, batch: Sequence[Append]) -> list[Result]: ...

    async def close(self) -> None: ...


class Writer:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: deque[Append] = deque()
        self._batch: list[Append] = []
        """What is being committed."""
        self._telling: asyncio.Task[None] | None = None
        """What was committed is told while the next is being committed."""
        self._size = 0
        """Bytes of the queue's texts in memory."""
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def submit(self, append: Append) -> asyncio.Future[Stored]:
        """Puts one event in the queue; messages are committed in the order of their submission.

        Raises Unavailable when the queue is full. The result raises Unavailable within ANSWER_S seconds (outcome unknown: the
        same key may be sent again) or NotAMember.
        """
        if self._closed:
            raise Unavailable(GOING)
        size = _size(append)
        if len(self._queue) >= QUEUE or self._size + size > QUEUE_BYTES:
            raise Unavailable("too many messages wait for the database")
        loop = asyncio.get_running_loop()
        append.done = loop.create_future()
        append.expires = loop.time() + ANSWER_S
        self._queue.append(append)
        self._size += size
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work())
        if self._timer is None:
            self._timer = loop.call_later(LOOK_S, self._give_up_late)
        return append.done

    def _give_up_late(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        late = [append for append in self._batch if append.expires <= now]
        while self._queue and self._queue[0].expires <= now:
            late.append(self._queue.popleft())
            self._size -= _size(late[-1])
        for append in late:
            _resolve(append, Unavailable(LATE))
        waiting = self._queue or self._batch
        self._timer = loop.call_later(LOOK_S, self._give_up_late) if waiting else None

    async def close(self) -> None:
        """Finishes what is queued, bounded. Whoever is left then, or when this is cancelled, is told that nobody knows."""
        self._closed = True
        try:
            if self._task is not None:
                await asyncio.wait({self._task}, timeout=CLOSE_S)
            await self._store.close()
        finally:
            for append in (*self._batch, *self._queue):
                _resolve(append, Unavailable(GOING))
            self._queue.clear()

    async def _work(self) -> None:
        while self._queue or self._telling is not None:  # what comes during the last telling finds this task at work
            if not self._queue:
                await self._told()
                continue
            # A full process has more of a larger batch than of another one, which goes to the same sockets.
            await turn().short()
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            self._size -= sum(map(_size, batch))
            self._batch = _unanswered(batch)
            if self._batch:
                await self._commit(self._batch)
            self._batch = []

    async def _told(self) -> None:
        """Waits until what was committed last is told."""
        telling, self._telling = self._telling, None
        if telling is not None:
            await telling

    async def _commit(self, batch: list[Append]) -> None:
        """One transaction; when a row is at fault, halves of it, each published and answered at once: the row fails alone."""
        parts = [batch]
        while parts:
            part = parts.pop()
            results = await self._stored(part)
            if isinstance(results, CannotStore):
                half = len(part) // 2
                parts += [part[half:], part[:half]]  # the first half first: messages keep their order
            else:
                await self._told()  # a room's events in their order
                self._telling = asyncio.get_running_loop().create_task(self._tell(part, results))
            if parts:
                parts = [rest for rest in map(_unanswered, parts) if rest]

    async def _tell(self, part: list[Append], results: Sequence[Result]) -> None:
        """Publishes and answers what was committed, room by room, so that others have their turn on the event loop."""
        rooms: dict[RoomRef, list[tuple[Append, Result]]] = {}
        for append, result in zip(part, results, strict=True):
            rooms.setdefault(append.room, []).append((append, result))
        for number, (room, told) in enumerate(rooms.items(), 1):
            self._publish(room, [result for _, result in told])
            for append, result in told:
                _resolve(append, result)
            if number % ROOMS_A_TURN == 0:
                await asyncio.sleep(0)

    async def _stored(self, part: list[Append]) -> Sequence[Result] | CannotStore:
        """One result for each; CannotStore when they are several and a row is at fault."""
        started = time.perf_counter()
        try:
            return await self._store.store(part)
        except database.DatabaseUnavailable:
            return [Unavailable(AWAY)] * len(part)
        except CannotStore as error:
            if len(part) > 1:
                return error
            log.warning("a message cannot be stored", room=part[0].room.slug, **database.facts(error.__cause__ or error))
            return [Unavailable(NOT_NOW) if error.passing else BadFrame("the message cannot be stored")]
        except Exception as error:  # noqa: BLE001  # logged below, but not its text: the database's quotes the row
            stack = "".join(format_tb(error.__traceback__))
            log.error("a batch of the log failed", stack=stack, **database.facts(error))  # noqa: TRY400
            return [RuntimeError("a batch of the log failed")] * len(part)
        finally:
            metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
            metrics.COMMIT_SIZE.observe(len(part))

    @staticmethod
    def _publish(room: RoomRef, results: Sequence[Result]) -> None:
        events = [result.event for result in results if isinstance(result, Stored) and not result.duplicate]
        if not events:
            return
        metrics.STORED.add(len(events))
        try:
            log_events(room, events)
        except Exception:  # it is committed: the senders are told so, and the hubs find it in the log
            log.exception("committed events could not be published", room=room.slug)


def _size(append: Append) -> int:
    """Bytes its text takes at most; without encoding it, which the ordinary case would pay for."""
    return len(append.text) * (1 if append.text.isascii() else 4)


def _unanswered(batch: list[Append]) -> list[Append]:
    return [append for append in batch if append.done is not None and not append.done.done()]


def _resolve(append: Append, result: Result) -> None:
    assert append.done is not None
    if append.done.done():
        return
    if isinstance(result, Exception):
        append.done.set_exception(result)
    else:
        append.done.set_result(result)


writer = PerLoop(lambda: Writer(PostgresStore() if connection.vendor == "postgresql" else OrmStore()))
