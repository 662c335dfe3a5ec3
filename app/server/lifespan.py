"""Start and end of a worker process. Start-up needs neither Redis nor Postgres: a worker that cannot start halts Gunicorn."""

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

log = structlog.get_logger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def lifespan(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            for service in registered():
                service.start()
            # The event loop waits so long for a database thread that computes, by default 5 ms, several times a join.
            sys.setswitchinterval(SWITCH_S)
            _keep_start_up_out_of_collections()
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
    """What is queued is committed and Redis is left, as long as the grace period allows."""
    try:
        async with asyncio.timeout(None if state.end_by == math.inf else max(0.0, state.end_by - time.monotonic())):
            for service in registered():
                await service.stop()
    except TimeoutError:
        log.warning("not everything was finished: the database or Redis does not answer")


def _keep_start_up_out_of_collections() -> None:
    """Django and the routes live as long as the process; scanning them again and again is what makes GC dear."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
