"""Query Postgres from the event loop without a thread.

It uses psycopg's async pool, with a time limit and a retry.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
import structlog
from django.db import connections
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from core.limits import LIMITS, Limits
from db import database
from db.connections import RECONNECT_S
from db.database import DatabaseUnavailable, facts

logger = structlog.get_logger(__name__)

R = TypeVar("R")
Connection = psycopg.AsyncConnection[Any]

LIMIT_S = database.LIMIT_S
RETRY_S = 0.1
# Extra time after the connection was cut at the time limit; then the wait itself is cancelled.
CUT_S = 1.0
# PoolTimeout is an OperationalError as well.
CONNECTION_LOST: tuple[type[Exception], ...] = (
    TimeoutError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    *map(psycopg.errors.lookup, database.READ_ONLY_STATES),
)
# Serialization, deadlock, lock timeout, cancelled: the transaction was rolled back, and the connection is good.
ROLLED_BACK = frozenset({"40001", "40P01", "55P03", "57014"})


class Pool:
    """Connections of one event loop, in autocommit.

    Opened on first use, so that a start needs no Postgres.
    """

    def __init__(self, name: str, size: int, limits: Limits = LIMITS) -> None:
        """`size`: most connections."""
        self._name, self._size, self._attempts = name, size, limits.query_attempts
        self._pool: AsyncConnectionPool[Connection] | None = None

    async def run(self, work: Callable[[Connection], Awaitable[R]]) -> R:
        """Return the result of `work`.

        If its connection breaks it is called again: it must be repeatable.

        Raises DatabaseUnavailable within LIMIT_S seconds, or the errors of `work`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LIMIT_S
        tries = 0
        while True:
            tries += 1
            try:
                async with asyncio.timeout_at(deadline + CUT_S):
                    return await self._try(work, deadline)
            except CONNECTION_LOST as error:
                if tries >= self._attempts or loop.time() >= deadline or isinstance(error, TimeoutError | PoolTimeout):
                    raise DatabaseUnavailable("the database is away") from error
                logger.info("trying the database again", pool=self._name, **facts(error))
            await asyncio.sleep(random.uniform(0, RETRY_S))  # noqa: S311

    async def open(self) -> AsyncConnectionPool[Connection]:
        """Return the pool, which connects in the background."""
        if self._pool is None:
            known = connections["default"].get_connection_params()
            passwords = connections["default"].settings_dict.get("PASSWORDS")
            kwargs = {name: value for name, value in known.items() if name not in {"cursor_factory", "context", "pool"}}
            self._pool = AsyncConnectionPool(
                connection_class=passwords.async_connection_class() if passwords else psycopg.AsyncConnection,
                kwargs=kwargs | {"autocommit": True},
                min_size=1,
                max_size=self._size,
                timeout=LIMIT_S,
                reconnect_timeout=RECONNECT_S,
                open=False,
                name=self._name,
            )
        if self._pool.closed:
            await self._pool.open()
        return self._pool

    async def close(self) -> None:
        """Close for good: later calls raise DatabaseUnavailable."""
        if self._pool is not None:
            await self._pool.close()

    async def _try(self, work: Callable[[Connection], Awaitable[R]], deadline: float) -> R:
        loop = asyncio.get_running_loop()
        pool = await self.open()
        async with pool.connection(timeout=deadline - loop.time()) as connection:
            timer = loop.call_at(deadline, cut, connection)
            try:
                return await work(connection)
            except CONNECTION_LOST as error:
                if getattr(error, "sqlstate", None) not in ROLLED_BACK:
                    # The server was restarted or became a standby: the pool's other connections are affected as well.
                    await connection.close()
                    await pool.drain()
                raise
            finally:
                timer.cancel()


def cut(connection: Connection) -> None:
    """Close the TCP connection, so that its waiting query fails at once.

    psycopg on cancellation would first ask the server to cancel and wait for it: 10 s more with a silent server.
    """
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)
