"""The way from the event loop to the ORM: a bounded pool of threads, a bounded queue, a time limit.

asgiref's thread-sensitive mode would put every query of the process behind one thread.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import InterfaceError, InternalError, OperationalError, connections

P = ParamSpec("P")
R = TypeVar("R")

LIMIT_S = 5.0
QUEUE = 2_000
AWAY = frozenset({"25006", "25P03"})
"""The server's codes for a write to a standby, one that took the primary's name for a while, and for a transaction it gave up
because this process was stopped in the middle of it."""
DATA_EXCEPTION = "22"
"""The class of codes whose messages quote what was wrong."""


class DatabaseUnavailable(Exception):
    """The database did not answer in time, or too many callers wait for it. The outcome of a write is unknown."""


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=settings.DATABASE_THREADS, thread_name_prefix="database")


_waiting = 0


async def run(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs `function` in a database thread. Raises DatabaseUnavailable after LIMIT_S seconds or when QUEUE callers wait."""
    global _waiting
    if _waiting >= QUEUE:
        raise DatabaseUnavailable("too many callers wait for the database")
    _waiting += 1
    answer = asyncio.get_running_loop().run_in_executor(_threads(), functools.partial(call, function, *args, **kwargs))
    try:
        return await asyncio.wait_for(answer, LIMIT_S)
    except TimeoutError as error:
        raise DatabaseUnavailable("the database did not answer in time") from error
    finally:
        _waiting -= 1


def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Calls `function` in the thread it is in, and leaves no broken connection there. Raises DatabaseUnavailable."""
    try:
        return function(*args, **kwargs)
    except (OperationalError, InterfaceError) as error:
        _let_go()
        raise DatabaseUnavailable("the database is away") from error
    except InternalError as error:
        if _sqlstate(error) not in AWAY:
            raise
        _let_go(for_good=True)
        raise DatabaseUnavailable("the database is away") from error
    finally:
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()


def facts(error: BaseException) -> dict[str, str]:
    """What a log may hold of an error: never its DETAIL, which quotes the row, nor a message that quotes a value."""
    found = {"error": type(error).__name__}
    cause = error if hasattr(error, "sqlstate") else error.__cause__
    state, about = _sqlstate(error), getattr(cause, "diag", None)
    if state:
        found["sqlstate"] = state
    if about is not None and about.message_primary and not (state or "").startswith(DATA_EXCEPTION):
        found["message"] = about.message_primary
    return found


def _sqlstate(error: BaseException) -> str | None:
    """psycopg's, through Django's own error."""
    return getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)


def _let_go(*, for_good: bool = False) -> None:
    """Gives this thread's connections up; `for_good`: and ends those of the pool, which lead to the same standby."""
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            continue
        connection.close()  # back into the pool, where there is one
        pool = getattr(connection, "pool", None)
        if for_good and pool is not None:
            pool.drain()
