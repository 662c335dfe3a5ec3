"""This process's heartbeat to the others, from a thread of its own.

An event loop that stalls for seconds keeps its sockets: only the silence of the whole process means that they are gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Awaitable, Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.redis_faults import report_fault
from realtime.presence.peers import BEAT_S

logger = structlog.get_logger(__name__)

STOP_S = 2.0
BEATS_A_CHECK = 4
CHECK_KEPT_S = 60
FAULTS = (RedisError, OSError, TimeoutError)


class Heartbeat:
    """Publishes `payload()` to a channel every BEAT_S until stopped.

    It also writes and reads a key once a second.
    Throttles need keys and say nothing in quiet times: so a Redis that is full, or gives no right to keys, is found here.
    """

    def __init__(self, client: Callable[[], Redis], channel: str, payload: Callable[[], bytes], check_key: str) -> None:
        """`client` is called in the thread; `payload` too: it may only read."""
        self._client, self._channel, self._payload, self._check_key = client, channel, payload, check_key
        self._failed: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="presence-heartbeat", daemon=True)

    @property
    def works(self) -> bool:
        """Whether Redis took the last heartbeat and the last key."""
        return not self._failed

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns at once; the thread ends by itself."""
        with contextlib.suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._beat())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    async def _beat(self) -> None:
        client = self._client()
        beats = 0
        try:
            while True:
                pause = BEAT_S * random.uniform(0.9, 1.0)  # noqa: S311
                if not await self._try("presence", self._publish(client)):
                    pause *= random.uniform(1, 3)  # noqa: S311
                elif beats % BEATS_A_CHECK == 0:
                    await self._try("throttle", self._check(client))
                beats += 1
                await asyncio.sleep(pause)
        finally:
            with contextlib.suppress(*FAULTS):
                async with asyncio.timeout(STOP_S):
                    await client.aclose()

    async def _publish(self, client: Redis) -> None:
        await client.publish(self._channel, self._payload())

    async def _check(self, client: Redis) -> None:
        await client.set(self._check_key, "1", ex=CHECK_KEPT_S)
        await client.get(self._check_key)

    async def _try(self, part: str, work: Awaitable[object]) -> bool:
        try:
            await work
        except FAULTS as error:
            self._failed.add(part)
            report_fault(part, error)
            return False
        except Exception:  # the thread must not end: the others would take this process for dead as long as it lives
            self._failed.add(part)
            logger.exception("a heartbeat failed", part=part)
            return False
        self._failed.discard(part)
        return True
