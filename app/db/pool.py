"""The way from the event loop to Postgres without a thread: psycopg's async pool, with a time limit and another try."""

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

from db import database
from db.connections import RECONNECT_S
from db.database import DatabaseUnavailable, facts

log = structlog.get_logger(__name__)

R = TypeVar("R")
Connection = psycopg.AsyncConnection[Any]

LIMIT_S = database.LIMIT_S
TRIES = 3
RETRY_S = 0.1
# A connection is cut at the time limit. Should that end nothing, the wait is cancelled so much later.
CUT_S = 1.0
# PoolTimeout is an OperationalError, too.
AWAY: tuple[type[Exception], ...] = (
    TimeoutError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    *map(psycopg.errors.lookup, database.AWAY),
)
# Serialization, deadlock, lock timeout, cancelled: the server undid the transaction, and the connection is good.
ROLLED_BACK = frozenset({"40001", "40P01", "55P03", "57014"})


class Pool:
    """Connections of one event loop, in autocommit. It is opened when it is first used, so that a start needs no Postgres."""

    def __init__(self, name: str, size: int) -> None:
        """`size`: connections at most."""
        self._name, self._size = name, size
        self._pool: AsyncConnectionPool[Connection] | None = None

    async def run(self, work: Callable[[Connection], Awaitable[R]]) -> R:
        """What `work` returns. Where its connection breaks it is called again with another: it must be safe to repeat.

        Raises DatabaseUnavailable within LIMIT_S seconds, or what `work` raises.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LIMIT_S
        tries = 0
        while True:
            tries += 1
            try:
                async with asyncio.timeout_at(deadline + CUT_S):
                    return await self._try(work, deadline)
            except AWAY as error:
                if tries >= TRIES or loop.time() >= deadline or isinstance(error, TimeoutError | PoolTimeout):
                    raise DatabaseUnavailable("the database is away") from error
                log.info("trying the database again", pool=self._name, **facts(error))
            await asyncio.sleep(random.uniform(0, RETRY_S))  # noqa: S311

    async def open(self) -> AsyncConnectionPool[Connection]:
        """The pool; it connects in the background."""
        if self._pool is None:
            known = connections["default"].get_connection_params()
            kwargs = {name: value for name, value in known.items() if name not in {"cursor_factory", "context", "pool"}}
            self._pool = AsyncConnectionPool(
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
        """For good: who comes afterwards finds the database away."""
        if self._pool is not None:
            await self._pool.close()

    async def _try(self, work: Callable[[Connection], Awaitable[R]], deadline: float) -> R:
        loop = asyncio.get_running_loop()
        pool = await self.open()
        async with pool.connection(timeout=deadline - loop.time()) as connection:
            cut = loop.call_at(deadline, _cut, connection)
            try:
                return await work(connection)
            except AWAY as error:
                if getattr(error, "sqlstate", None) not in ROLLED_BACK:
                    # The server was restarted, or is a standby now: the pool's other connections lead to the same.
                    await connection.close()
                    await pool.drain()
                raise
            finally:
                cut.cancel()


def _cut(connection: Connection) -> None:
    """Ends the TCP connection, so that whoever waits for it fails at once.

    psycopg, cancelled, would first ask the server to cancel and wait for it: 10 s more with a server that is silent.
    """
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)
