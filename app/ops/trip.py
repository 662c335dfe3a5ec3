"""Several statements to Postgres in one trip, on the event loop.

psycopg's own pipeline polls and looks for answers at each statement: of a small group commit that was six tenths of what the
worker spent on it. This drives libpq through psycopg.pq as libpq's manual shows (34.5, pipeline mode): everything is sent, and
waited for once.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import OperationalError
from psycopg.adapt import Transformer
from psycopg.errors import Error, error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from ops.pool import Connection

Row = tuple[Any, ...]


class Statement(NamedTuple):
    """SQL with $1, $2, … for its parameters. Prepared on each connection when first sent there."""

    name: str
    """Of its own among all statements."""
    sql: str


BEGIN, COMMIT = Statement("trip_begin", "BEGIN"), Statement("trip_commit", "COMMIT")

_prepared: weakref.WeakKeyDictionary[Connection, set[str]] = weakref.WeakKeyDictionary()
_IDLE = (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)


async def trip(connection: Connection, *asked: tuple[Statement, Sequence[str]]) -> list[list[Row]]:
    """The rows of each statement; parameters are text as Postgres writes it.

    Raises psycopg's errors, of the first statement that failed: those behind it are not executed. ValueError, before anything is
    sent, for a parameter that is not UTF-8 or holds a NUL. A transaction that stands open is then the caller's to end (`undo`).
    """
    known = _prepared.setdefault(connection, set())
    sent = [(statement, [_encoded(value) for value in values]) for statement, values in asked]
    pgconn = connection.pgconn
    expected: list[str] = []  # of each answer: the name that was prepared, or nothing
    pgconn.enter_pipeline_mode()
    try:
        for statement, values in sent:
            name = statement.name
            if name not in known and name not in expected:
                pgconn.send_prepare(name.encode(), statement.sql.encode())
                expected.append(name)
            pgconn.send_query_prepared(name.encode(), values)
            expected.append("")
        pgconn.pipeline_sync()
        results = await _answers(pgconn, len(expected))
        pgconn.exit_pipeline_mode()
    except BaseException:
        pgconn.finish()  # who knows what it still has to say; the pool replaces it
        raise
    error: Error | None = None
    rows = []
    for name, result in zip(expected, results, strict=True):
        if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            if error is None:
                error = error_from_result(result)
        elif name:
            known.add(name)
        else:
            rows.append(_rows(connection, result))
    if error is not None:
        raise error
    return rows


async def undo(connection: Connection) -> None:
    """Rolls back what `trip` left open, and does nothing where it left nothing."""
    if connection.pgconn.transaction_status not in _IDLE:
        await connection.rollback()


def _encoded(value: str) -> bytes:
    if "\0" in value:  # libpq would take it for the end
        raise ValueError("a parameter holds a NUL")
    return value.encode()


def _rows(connection: Connection, result: PGresult) -> list[Row]:
    if not result.ntuples:
        return []
    reader = Transformer(connection)
    reader.set_pgresult(result)
    return reader.load_rows(0, result.ntuples, tuple)


async def _answers(pgconn: PGconn, number: int) -> list[PGresult]:
    """So many results, and the end of the pipeline behind them. Raises OperationalError when the connection ends."""
    loop = asyncio.get_running_loop()
    line = _Line(loop, pgconn.socket)
    try:
        while pgconn.flush():
            await line.ready(writing=True)
            pgconn.consume_input()  # the server may have to be heard before it reads on
        results: list[PGresult] = []
        ended = False
        while True:
            while pgconn.is_busy():
                await line.ready()
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None:  # the end of one statement's results; a second one is that of the connection
                if ended:
                    raise OperationalError(f"the connection ended: {pgconn.get_error_message()}")
                ended = True
                continue
            ended = False
            if result.status == ExecStatus.PIPELINE_SYNC:
                break
            results.append(result)
    finally:
        line.close()
    if len(results) != number:
        raise OperationalError(f"{len(results)} answers to {number} statements")
    return results


class _Line:
    """Waits for a socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        self._loop, self._fd = loop, fd
        self._waiter: asyncio.Future[None] | None = None
        self._writing = False
        loop.add_reader(fd, self._wake)

    async def ready(self, *, writing: bool = False) -> None:
        """Until it can be read, or written where that is asked."""
        if writing != self._writing:
            self._writing = writing
            if writing:
                self._loop.add_writer(self._fd, self._wake)
            else:
                self._loop.remove_writer(self._fd)
        self._waiter = self._loop.create_future()
        await self._waiter

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        if self._writing:
            self._loop.remove_writer(self._fd)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
