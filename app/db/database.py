"""Call the ORM from the event loop, in a bounded pool of threads.

Each person has a queue, and each call a time limit. asgiref's thread-sensitive mode would run every query of the process in
one thread. A single queue would delay everybody's joins behind the calls of one account.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, ParamSpec, TypeVar

from django.conf import settings
from django.db import InterfaceError, InternalError, OperationalError, connections

from core.errors import RateLimited
from core.logging import carrying
from core.pace import Pace
from core.per_loop import PerLoop
from core.refusals import note_refusal
from db.fair_gate import FairGate, Owner

P = ParamSpec("P")
R = TypeVar("R")

LIMIT_S = 5.0
# Longest wait in one's own queue; the rest of LIMIT_S is for the call itself.
LINE_S = 4.0
QUEUE = 2_000
# Waiting calls per person, and per address without an account.
QUEUE_EACH = 100
# SQLSTATEs for a write to a standby under the primary's name, and for a transaction that the server ended because this process
# was stopped in the middle of it.
READ_ONLY_STATES = frozenset({"25006", "25P03"})
# SQLSTATE class whose messages quote values.
DATA_EXCEPTION = "22"


class DatabaseUnavailable(Exception):
    """The database did not answer in time, or too many calls wait.

    The outcome of a write is unknown.
    """


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=settings.DATABASE_THREADS, thread_name_prefix="database")


# Thread seconds per second that one person may use in each process: a computing thread delays the event loop.
BUSY = 0.2
# Longest penalty after one call: a database that is slow for everyone must shut no one out.
REST_S = 1.0

_gate = PerLoop(lambda: FairGate(settings.DATABASE_THREADS, share=max(1, settings.DATABASE_THREADS // 4), waiting=QUEUE_EACH))
_used = PerLoop(lambda: Pace(BUSY if settings.LIMIT_CALLS_PER_S else 0))  # 0 lifts both limits
_waiting = 0


async def run(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `function` in a database thread, for the process or many people at once.

    Raises DatabaseUnavailable after LIMIT_S seconds or if QUEUE calls wait.
    """
    return await run_for(None, function, *args, **kwargs)


async def run_for(owner: Owner, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `function` in a database thread, in the queue of `owner`.

    A person's id or an address.

    Raises as `run` does, and RateLimited if QUEUE_EACH calls of the owner wait, or if this call waited LINE_S behind them.
    """
    global _waiting
    if _waiting >= QUEUE:
        note_refusal("queue", "calls", "DATABASE_POOL_SIZE")
        raise DatabaseUnavailable("too many callers wait for the database")
    _waiting += 1
    until = asyncio.get_running_loop().time() + LIMIT_S
    try:
        await _enter(owner)
        async with asyncio.timeout_at(until):
            return await asyncio.wrap_future(_submit(owner, functools.partial(call, function, *args, **kwargs)))
    except TimeoutError as error:
        raise DatabaseUnavailable("the database did not answer in time") from error
    finally:
        _waiting -= 1


async def _enter(owner: Owner) -> None:
    try:
        await _gate().enter(owner, limit_s=LIMIT_S if owner is None else LINE_S)
    except RateLimited:
        note_refusal("calls", f"{owner} has too many calls waiting", "")
        raise


@dataclass
class _Timed(Generic[R]):
    """Work for a thread, and when the thread began it."""

    work: Callable[[], R]
    began: float = field(default_factory=time.monotonic)

    def __call__(self) -> R:
        self.began = time.monotonic()
        return self.work()


def _submit(owner: Owner, work: Callable[[], R]) -> Future[R]:
    """Start `work` in a thread.

    Its slot is freed at its end, even if the caller gave up.
    """
    loop, gate, timed = asyncio.get_running_loop(), _gate(), _Timed(carrying(work))

    def leave(took_s: float) -> None:
        gate.leave(owner, rest_s=0.0 if owner is None else min(REST_S, _used().charge(owner, took_s)))

    def ended(_: Future[R]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(leave, time.monotonic() - timed.began)

    answer = _threads().submit(timed)
    answer.add_done_callback(ended)
    return answer


def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function` in this thread and drop a broken connection.

    Raises DatabaseUnavailable.
    """
    try:
        return function(*args, **kwargs)
    except (OperationalError, InterfaceError) as error:
        _let_go()
        raise DatabaseUnavailable("the database is away") from error
    except InternalError as error:
        if _sqlstate(error) not in READ_ONLY_STATES:
            raise
        _let_go(for_good=True)
        raise DatabaseUnavailable("the database is away") from error
    finally:
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()


def facts(error: BaseException) -> dict[str, str]:
    """Return loggable facts of an error.

    No DETAIL, which quotes the row, and no message that quotes a value.
    """
    found = {"error": type(error).__name__}
    cause = error if hasattr(error, "sqlstate") else error.__cause__
    state, about = _sqlstate(error), getattr(cause, "diag", None)
    if state:
        found["sqlstate"] = state
    if about is not None and about.message_primary and not (state or "").startswith(DATA_EXCEPTION):
        found["message"] = about.message_primary
    return found


def _sqlstate(error: BaseException) -> str | None:
    """Return psycopg's SQLSTATE from Django's error."""
    return getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)


def _let_go(*, for_good: bool = False) -> None:
    """Release this thread's connections.

    `for_good`: close the pool's as well; they lead to the same standby.
    """
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            continue
        connection.close()  # returns it to the pool, if there is one
        pool = getattr(connection, "pool", None)
        if for_good and pool is not None:
            pool.drain()
