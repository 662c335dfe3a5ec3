"""Keep one connection to one Redis open.

redis-py opens it (URLs, TLS, ACLs, sentinels), hiredis parses its replies, and pings watch it.
After SILENT_S seconds without a reply the connection is dropped. Reconnects use a jittered pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

import hiredis
import structlog
from channels_redis.utils import create_pool
from redis.exceptions import RedisError

from core.redis_faults import report_fault

logger = structlog.get_logger(__name__)

CONNECT_S = 2.0
PING_EVERY_S = 1.0
SILENT_S = 3.0
# Pause between attempts: doubled each time, half of it random.
PAUSE_S = (0.05, 1.0)
FAULTS = (RedisError, OSError, TimeoutError, RuntimeError)
# A shorter connection counts as a failure: Redis may refuse the first command.
SHORT_S = 2.0
PING = hiredis.pack_command((b"PING",))


class Wire(asyncio.Protocol):
    """Read replies: one call handles all replies of one read."""

    def __init__(self, on_replies: Callable[[list[Any]], None]) -> None:
        self.on_replies = on_replies
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard_at = asyncio.get_running_loop().time()
        self.transport: Any = None
        self._reader = hiredis.Reader()

    def data_received(self, data: bytes) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        self._reader.feed(data)
        replies = []
        while (reply := self._reader.gets()) is not False:
            replies.append(reply)
        if replies:
            self.on_replies(replies)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


class Link:
    """One connection that reopens itself; `up` runs each time it is open."""

    def __init__(
        self,
        host: dict[str, Any],
        *,
        on_replies: Callable[[list[Any]], None],
        up: Callable[[], None],
        pinged: Callable[[], None] = lambda: None,
    ) -> None:
        """`pinged` is called when a ping is written.

        Its reply arrives in order, as PONG or an error.
        """
        self._host, self._on_replies, self._up, self._pinged = host, on_replies, up, pinged
        # Keeps the pool alive: a connection through sentinels refers to it weakly.
        self._pool: Any = None
        self._transport: Any = None
        self._out: list[bytes] = []
        self._task: asyncio.Task[None] | None = None
        self._was_short = False

    @property
    def is_up(self) -> bool:
        return self._transport is not None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep_up())

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def write(self, command: bytes) -> None:
        """Collect commands and send them in one write at the end of this loop iteration.

        Only while `is_up`.
        """
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(command)

    def leave(self) -> None:
        """Drop this connection; the next one opens after a pause."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        out, self._out = self._out, []
        # If the connection was lost meanwhile, the task that watches it handles that.
        if self._transport is not None and out and not self._transport.is_closing():
            self._transport.write(b"".join(out))

    async def _keep_up(self) -> None:
        pause = PAUSE_S[0]
        while True:
            try:
                async with asyncio.timeout(CONNECT_S):
                    connection, wire = await self._open()
                opened_at = asyncio.get_running_loop().time()
                await self._use(connection, wire)
                self._was_short = asyncio.get_running_loop().time() - opened_at < SHORT_S
                if not self._was_short:
                    pause = PAUSE_S[0]
            except FAULTS as error:
                report_fault("layer", error)
            except Exception:
                logger.exception("a connection to Redis failed")
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
            pause = min(2 * pause, PAUSE_S[1])

    async def _open(self) -> tuple[Any, Wire]:
        if self._pool is None:
            self._pool = create_pool(self._host)
        connection: Any = self._pool.make_connection()
        try:
            await connection.connect()
            wire = Wire(self._on_replies)
            # Take the transport over; redis-py has no public method for it.
            wire.transport = connection._writer.transport  # noqa: SLF001
            wire.transport.set_protocol(wire)
        except BaseException:
            with contextlib.suppress(*FAULTS):
                await connection.disconnect(nowait=True)
            raise
        return connection, wire

    async def _use(self, connection: Any, wire: Wire) -> None:
        """Ping until the connection is lost or silent for too long."""
        transport = self._transport = wire.transport
        try:
            if not self._was_short:
                logger.info("connected to Redis")
            self._up()
            await self._watch(wire)
        finally:
            self._transport = None
            self._out.clear()
            if not self._was_short:  # this refusal is logged already
                logger.warning("the connection to Redis ended; messages to other processes wait in the log")
            transport.abort()
            # redis-py must not close a descriptor that is no longer its own.
            connection._writer = connection._reader = None  # noqa: SLF001

    async def _watch(self, wire: Wire) -> None:
        loop = asyncio.get_running_loop()
        # The connection may have been lost before this took it over.
        while not wire.lost.done() and not wire.transport.is_closing():
            await asyncio.wait({wire.lost}, timeout=PING_EVERY_S * random.uniform(0.8, 1))  # noqa: S311
            silent = loop.time() - wire.heard_at
            if silent > SILENT_S:
                logger.warning("Redis is silent; leaving the connection", seconds=round(silent, 1))
                return
            if silent > PING_EVERY_S / 2 and not wire.transport.is_closing():
                self._pinged()
                self.write(PING)
