"""Start and stop a worker process.

Starting needs neither Redis nor Postgres: a failed start would stop Gunicorn.
"""

from __future__ import annotations

import asyncio
import gc
import math
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from core import metrics, state
from core.services import registered

SWITCH_S = 0.001

logger = structlog.get_logger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def lifespan(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            for service in registered():
                service.start()
            # The event loop waits this long for a busy database thread, several times per join; the default is 5 ms.
            sys.setswitchinterval(SWITCH_S)
            _keep_start_up_out_of_collections()
            gc.callbacks.append(_measured_collections())
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            state.draining = True
            for service in registered():
                service.stop_soon()
            await _finish()
            metrics.settle()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _finish() -> None:
    """Commit the queue and leave Redis within the grace period."""
    try:
        async with asyncio.timeout(None if state.end_by == math.inf else max(0.0, state.end_by - time.monotonic())):
            for service in registered():
                await service.stop()
    except TimeoutError:
        logger.warning("not everything was finished: the database or Redis does not answer")


def _keep_start_up_out_of_collections() -> None:
    """Exclude start-up objects from garbage collection.

    Scanning Django and the routes repeatedly is expensive.
    """
    gc.collect()
    gc.freeze()


def _measured_collections() -> Callable[[str, dict[str, int]], None]:
    """Return a callback that measures how long each collection stops the process."""
    begun = 0.0

    def measured(phase: str, info: dict[str, int]) -> None:
        nonlocal begun
        if phase == "start":
            begun = time.perf_counter()
        else:
            metrics.GC_PAUSES[info["generation"]].observe(time.perf_counter() - begun)

    return measured
