"""Reads that a standby of Postgres may answer: pages of history, and search.

Everything else asks the primary.

A process notes the end of the primary's write-ahead log about once a second, and how far the replica has replayed it. So it
knows, by its own clock alone, since when the replica lacks commits. A replica that lacks more than REPLICA_STALENESS_S, that
does not answer, or that is no standby, is not asked: its reads go to the primary.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import structlog
from django.conf import settings
from django.db import connections

from core import metrics
from core.per_loop import PerLoop
from db import database
from db.database import DatabaseUnavailable
from db.fair_gate import Owner
from db.pool import cut

logger = structlog.get_logger(__name__)

R = TypeVar("R")

ALIAS = "replica"
# Between two checks of both servers.
CHECK_EVERY_S = 1.0
# The same while the replica does not answer: each check holds a thread for as long as that takes.
CHECK_AGAIN_S = (3.0, 6.0)
# A silent replica costs a read that long; then its connection is cut, and the primary asked.
ANSWER_S = 2.0
NEVER = float("-inf")


class Lacking(Exception):
    """The replica lacks a commit of the primary that the caller needs."""


@dataclass
class _Use:
    """A call that may read from the replica."""

    # Whether the replica stopped to answer while the call waited for a thread.
    is_lost: Callable[[], bool]
    connection: Any = None
    since: float = 0.0


class _OfThread(threading.local):
    use: _Use | None = None
    reading = False


_thread = _OfThread()


class Router:
    """Sends the ORM's reads inside `reading()` to the replica."""

    def db_for_read(self, _model: type, **_hints: Any) -> str | None:
        return ALIAS if _thread.reading else None

    def allow_relation(self, _one: object, _other: object, **_hints: Any) -> bool:
        """Rows of both are rows of one database."""
        return True

    def allow_migrate(self, db: str, _app_label: str, **_hints: Any) -> bool | None:
        return False if db == ALIAS else None


@contextmanager
def reading() -> Iterator[None]:
    """Read from the replica in this block, if the replica may be asked.

    Outside a call of `run_for` the block reads from the primary. Raises Lacking if the replica has failed since the call
    began.
    """
    use = _thread.use
    if use is None:
        yield
        return
    if use.is_lost():
        raise Lacking
    connections[ALIAS].ensure_connection()
    use.connection, use.since, _thread.reading = connections[ALIAS].connection, time.monotonic(), True
    try:
        yield
    finally:
        use.connection, _thread.reading = None, False


def alias() -> str:
    """Return the database of this thread's reads, for statements without the ORM."""
    return ALIAS if _thread.reading else "default"


async def run_for(owner: Owner, function: Callable[[], R]) -> R:
    """Run a read as database.run_for does, on the replica if it is current.

    Only blocks of `reading()` ask the replica. `function` runs a second time, on the primary alone, if the replica does not
    answer, or if it raises Lacking.
    """
    if ALIAS not in connections.databases:
        return await database.run_for(owner, function)
    known = _replica()
    if known.usable():
        try:
            found = await _watched(owner, function, lambda: not known.works)
        except Lacking:
            pass
        except DatabaseUnavailable as error:
            known.failed(error)
        else:
            metrics.REPLICA_READS.labels("replica").inc()
            return found
    metrics.REPLICA_READS.labels("primary").inc()
    return await database.run_for(owner, function)


async def _watched(owner: Owner, function: Callable[[], R], is_lost: Callable[[], bool]) -> R:
    """Run `function`, which may use the replica, and cut a silent connection to it.

    Without the cut, a thread would wait for a silent replica.
    """
    loop, use = asyncio.get_running_loop(), _Use(is_lost)

    def run() -> R:
        _thread.use = use
        try:
            return function()
        finally:
            _thread.use = None

    timer: asyncio.TimerHandle

    def check() -> None:
        nonlocal timer
        connection = use.connection
        if connection is not None and time.monotonic() - use.since > ANSWER_S:
            cut(connection)
        timer = loop.call_later(ANSWER_S / 4, check)

    timer = loop.call_later(ANSWER_S, check)
    try:
        return await database.run_for(owner, run)
    finally:
        timer.cancel()


class _LogEnd(NamedTuple):
    """At a time of time.monotonic the primary's log ended at a place."""

    at: float
    place: int


class _Replica:
    """What one event loop knows of the replica."""

    def __init__(self) -> None:
        # Ends of the primary's log that the replica has not replayed yet.
        self._log_ends: deque[_LogEnd] = deque(maxlen=120)
        # The replica has all that was committed before.
        self._current_at = NEVER
        self._check_at = NEVER
        self._task: asyncio.Task[None] | None = None

    @property
    def works(self) -> bool:
        """Return whether the replica answered last."""
        return self._current_at != NEVER

    def usable(self) -> bool:
        """Return whether the replica is at most REPLICA_STALENESS_S seconds behind.

        Checks the replica again in the background when it is time.
        """
        now = time.monotonic()
        if now >= self._check_at and (self._task is None or self._task.done()):
            self._check_at = now + CHECK_EVERY_S
            self._task = asyncio.get_running_loop().create_task(self._check())
        return now - self._current_at <= settings.REPLICA_STALENESS_S

    def failed(self, error: BaseException) -> None:
        """Ask the primary until a check finds the replica again."""
        if self._current_at != NEVER:
            logger.warning("the replica cannot be asked: reads go to the primary", **database.facts(error))
        self._current_at = NEVER
        self._check_at = time.monotonic() + random.uniform(*CHECK_AGAIN_S)  # noqa: S311

    async def _check(self) -> None:
        at = time.monotonic()
        try:
            self._log_ends.append(_LogEnd(at, await database.run(_end_of_log)))
            replayed = await _watched(None, _replayed, lambda: False)
        except DatabaseUnavailable as error:
            self.failed(error)
            return
        except Exception:
            logger.exception("the replica could not be checked")
            self._current_at = NEVER
            return
        if replayed is None:
            self.failed(DatabaseUnavailable("the server of REPLICA_URL is no standby"))
            return
        while self._log_ends and self._log_ends[0].place <= replayed:
            self._current_at = self._log_ends.popleft().at
        metrics.REPLICA_BEHIND.set(-1 if self._current_at == NEVER else time.monotonic() - self._current_at)


_replica = PerLoop(_Replica)


def _end_of_log() -> int:
    place = _ask("default", "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
    assert place is not None
    return place


def _replayed() -> int | None:
    with reading():
        return _ask(ALIAS, "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0'::pg_lsn END")


def _ask(name: str, statement: str) -> int | None:
    with connections[name].cursor() as cursor:
        cursor.execute(statement)
        (found,) = cursor.fetchone()
    return None if found is None else int(found)
