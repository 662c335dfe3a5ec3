"""The log's group commit: senders that arrive together share a transaction.

One per process. A bounded queue in front; rooms are locked in the order of their ids, so that processes never
deadlock; the row lock gives out `seq`, so that it follows commit order without holes; a row that cannot be stored
fails alone, not its batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from traceback import format_tb
from typing import Protocol

import structlog
from django.db import connection

from chat.batch import CannotStore, PendingEvent, Result, Stored
from chat.lanes import Lane, Lanes
from chat.store_orm import OrmStore
from chat.store_postgres import PostgresStore
from core import metrics
from core.errors import BadFrame, Unavailable
from core.idle import IdleClock
from core.per_loop import PerLoop
from core.words import words as _
from core.write_coalescer import write_coalescer
from db import database
from db.connections import LOG_CONNECTIONS
from realtime.publish import RoomRef, log_events

logger = structlog.get_logger(__name__)

BATCH = 500
ANSWER_S = 5.0
# The last message is given up after ANSWER_S; a commit that was begun just before that ends within its own limit.
CLOSE_S = ANSWER_S + database.LIMIT_S + 1.0
# Rooms of a commit that are published before the event loop runs other tasks.
ROOMS_A_TICK = 16
MSG_LATE = _("the database did not answer in time; send the same key again")
MSG_AWAY = _("the database is away; send the same key again")
MSG_GOING = _("this server is going away; send the same key again")
MSG_NOT_NOW = _("the message could not be stored now; send the same key again")
# How often it is looked for messages that waited for ANSWER_S: a timer for each would cost more than the message.
EXPIRY_CHECK_S = 0.25


class Store(Protocol):
    """Where batches go.

    One result for each message, in order.

    Raises DatabaseUnavailable when the outcome is unknown, CannotStore when a row is at fault and nothing is stored.
    """

    async def store(self, batch: Sequence[PendingEvent]) -> list[Result]: ...

    async def close(self) -> None: ...


class GroupCommitter:
    """Takes messages and commits them.

    A room's messages are committed in the order of their submission.
    """

    def __init__(self, store: Store, lanes: int = 1) -> None:
        """`lanes`: commits under way at most."""
        self._store = store
        self._lanes = Lanes(lanes)
        self._idle = IdleClock()
        self._committing: dict[asyncio.Task[None], list[PendingEvent]] = {}
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        # Called when the server has to act on a commit later (chat/due.py).
        self.on_due: Callable[[datetime], None] | None = None

    def submit(self, append: PendingEvent) -> asyncio.Future[Stored]:
        """Puts one event in the queue.

        Raises Unavailable when the queue is full. The result raises Unavailable within ANSWER_S seconds (outcome unknown: the
        same key may be sent again) or NotAMember.
        """
        if self._closed:
            raise Unavailable(MSG_GOING)
        self._lanes.add(append)
        loop = asyncio.get_running_loop()
        append.done = loop.create_future()
        append.expires = loop.time() + ANSWER_S
        self._begin()
        if self._timer is None:
            self._timer = loop.call_later(EXPIRY_CHECK_S, self._give_up_late)
        return append.done

    def _give_up_late(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        late = [append for batch in self._committing.values() for append in batch if append.expires <= now]
        for append in (*late, *self._lanes.take_expired(now)):
            _resolve(append, Unavailable(MSG_LATE))
        self._timer = loop.call_later(EXPIRY_CHECK_S, self._give_up_late) if self._lanes or self._committing else None

    async def close(self) -> None:
        """Commit the queue within CLOSE_S.

        Fail the messages left then, or when cancelled, with Unavailable (outcome unknown).
        """
        self._closed = True
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    while tasks := self.tasks():
                        await asyncio.wait(tasks)
            await self._store.close()
        finally:
            self._idle.close()
            left = [append for batch in self._committing.values() for append in batch]
            for append in (*left, *self._lanes.take_all()):
                _resolve(append, Unavailable(MSG_GOING))

    def tasks(self) -> set[asyncio.Task[None]]:
        """Commits and publications under way."""
        publishing = {lane.publishing for lane in self._lanes if lane.publishing is not None}
        return {task for task in (*self._committing, *publishing) if not task.done()}

    def cancel_timer(self) -> None:
        """For a process that ends at once."""
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self) -> None:
        while lanes := self._lanes.next():
            for lane in lanes:
                lane.busy = True
            task = asyncio.get_running_loop().create_task(self._work(lanes))
            self._committing[task] = []

    async def _work(self, lanes: list[Lane]) -> None:
        """One batch of these lanes."""
        task = asyncio.current_task()
        assert task is not None
        try:
            # A full process has more of a larger batch than of another one, which goes to the same sockets.
            await write_coalescer().short()
            batch = self._committing[task] = _unanswered(self._lanes.take(lanes, BATCH))
            if batch:
                oldest = min(append.expires for append in batch) - ANSWER_S
                metrics.COMMIT_WAIT.observe(asyncio.get_running_loop().time() - oldest)
                await self._commit(batch, lanes)
        finally:
            del self._committing[task]
            for lane in lanes:
                lane.busy = False
        self._begin()

    async def _commit(self, batch: list[PendingEvent], lanes: list[Lane]) -> None:
        """Commit a batch in one transaction, and in halves if a row is at fault.

        Each part is published and answered at once. The row at fault fails alone.
        """
        parts = [batch]
        while parts:
            part = parts.pop()
            results = await self._stored(part)
            committed = time.perf_counter()
            if isinstance(results, CannotStore):
                half = len(part) // 2
                parts += [part[half:], part[:half]]  # the first half first: messages keep their order
            else:
                for earlier in {lane.publishing for lane in lanes if lane.publishing is not None}:
                    await earlier  # a room's events in their order
                publishing = asyncio.get_running_loop().create_task(self._publish_all(part, results, committed))
                for lane in lanes:
                    lane.publishing = publishing
            if parts:
                parts = [rest for rest in map(_unanswered, parts) if rest]

    async def _publish_all(self, part: list[PendingEvent], results: Sequence[Result], committed: float) -> None:
        """Publish and answer a commit room by room, so that other tasks run in between.

        `committed`: when, in time.perf_counter().
        """
        rooms: dict[RoomRef, list[tuple[PendingEvent, Result]]] = {}
        for append, result in zip(part, results, strict=True):
            rooms.setdefault(append.room, []).append((append, result))
        for number, (room, pairs) in enumerate(rooms.items(), 1):
            if published := self._publish(room, [result for _, result in pairs]):
                metrics.DELIVERY_HERE.observe(time.perf_counter() - committed, published)
            for append, result in pairs:
                _resolve(append, result)
                if append.payload is not None and isinstance(result, Stored) and not result.duplicate:
                    metrics.KINDS.add(1, append.kind)
                if isinstance(result, Stored) and result.due is not None:
                    self._note_due(room, result.due)
            if number % ROOMS_A_TICK == 0:
                await asyncio.sleep(0)

    def _note_due(self, room: RoomRef, due: datetime) -> None:
        if self.on_due is None:
            return
        try:
            self.on_due(due)
        except Exception:  # the other events still get their answers; the periodic look finds the thing
            metrics.HANDLER_FAILURES.labels("due").inc()
            logger.exception("a due time could not be noted", room=room.slug)

    async def _stored(self, part: list[PendingEvent]) -> Sequence[Result] | CannotStore:
        """One result for each; CannotStore when they are several and a row is at fault."""
        started, idle = time.perf_counter(), self._idle.read()
        try:
            return await self._store.store(part)
        except database.DatabaseUnavailable:
            return [Unavailable(MSG_AWAY)] * len(part)
        except CannotStore as error:
            if len(part) > 1:
                return error
            logger.warning("a message cannot be stored", room=part[0].room.slug, **database.facts(error.__cause__ or error))
            return [Unavailable(MSG_NOT_NOW) if error.transient else BadFrame(_("the message cannot be stored"))]
        except Exception as error:  # noqa: BLE001  # logged below, but not its text: the database's quotes the row
            stack = "".join(format_tb(error.__traceback__))
            logger.error("a batch of the log failed", stack=stack, **database.facts(error))  # noqa: TRY400
            return [RuntimeError("a batch of the log failed")] * len(part)
        finally:
            elapsed = time.perf_counter() - started
            self._lanes.note(self._idle.read() - idle, elapsed)
            metrics.COMMIT_SECONDS.observe(elapsed)
            metrics.COMMIT_SIZE.observe(len(part))

    @staticmethod
    def _publish(room: RoomRef, results: Sequence[Result]) -> int:
        """Return how many events are new."""
        events = [result.event for result in results if isinstance(result, Stored) and not result.duplicate]
        if not events:
            return 0
        metrics.STORED.add(len(events))
        try:
            log_events(room, events)
        except Exception:  # the batch is committed: its senders get their replies, and the hubs read the log
            logger.exception("committed events could not be published", room=room.slug)
        return len(events)


def _unanswered(batch: list[PendingEvent]) -> list[PendingEvent]:
    return [append for append in batch if append.done is not None and not append.done.done()]


def _resolve(append: PendingEvent, result: Result) -> None:
    assert append.done is not None
    if append.done.done():
        return
    if isinstance(result, Exception):
        append.done.set_exception(result)
    else:
        append.done.set_result(result)


def _made() -> GroupCommitter:
    if connection.vendor == "postgresql":
        return GroupCommitter(PostgresStore(), lanes=LOG_CONNECTIONS)
    return GroupCommitter(OrmStore())  # SQLite has one writer


writer = PerLoop(_made)
