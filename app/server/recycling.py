"""Replace a worker above its memory ceiling before the kernel kills it.

It asks Gunicorn for a successor, waits until that one answers requests, and then drains, so the server is never without a
worker. One worker of a server at a time, and no young one: a worker that exceeds the ceiling at once carries a load that
its successor would carry as well.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable

import structlog
from django.conf import settings

from core import metrics
from core.process import resident_bytes
from server import pidfiles

logger = structlog.get_logger(__name__)

MIB = 2**20
# A ceiling close to a fresh worker's size would replace workers all the time.
FRESH_SHARE = 0.7
SUCCESSOR_S = 60.0
ASK_EVERY_S = 0.2


class MemoryWatch:
    def __init__(self, stop: Callable[[], None]) -> None:
        # Drains and ends the worker.
        self.stop = stop
        self.ceiling = settings.WORKER_MEMORY_MAX_MB * MIB
        self.started = time.monotonic()
        self.here = pidfiles.current()

    async def watch(self) -> None:
        """Watch until cancelled or until `stop` was called."""
        fresh = resident_bytes()
        if not self.ceiling or fresh is None:
            return
        if fresh > self.ceiling * FRESH_SHARE:
            logger.error(
                "a fresh worker is near its memory ceiling: not watched", memory_mb=fresh // MIB, ceiling_mb=self.ceiling // MIB
            )
            return
        while not await self._tick():
            pass

    async def _tick(self) -> bool:
        """Check once; return whether the worker was stopped."""
        await asyncio.sleep(settings.WORKER_MEMORY_CHECK_S * random.uniform(0.7, 1.3))  # noqa: S311
        memory, age = resident_bytes() or 0, time.monotonic() - self.started
        if memory <= self.ceiling or age < settings.WORKER_MIN_AGE_S or not self.here.begin_replacement(os.getpid()):
            return False
        logger.warning(
            "a worker grew past its memory ceiling and is replaced",
            memory_mb=memory // MIB,
            ceiling_mb=self.ceiling // MIB,
            age_s=int(age),
        )
        await self._wait_for_successor()
        metrics.RECYCLED.inc()
        self.stop()
        return True

    async def _wait_for_successor(self) -> None:
        before = self.here.workers()
        os.kill(os.getppid(), signal.SIGTTIN)
        deadline = time.monotonic() + SUCCESSOR_S
        while not self.here.workers() - before:
            if time.monotonic() > deadline:
                logger.error("no successor became ready; the worker ends all the same", waited_s=SUCCESSOR_S)
                return
            await asyncio.sleep(ASK_EVERY_S)
