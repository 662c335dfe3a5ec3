"""Supervise background loops: one failed tick must not end a service of the whole process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import structlog

log = structlog.get_logger(__name__)

AGAIN_S = 1.0
TRIES = 5


async def run_forever(turn: Callable[[], Awaitable[None]]) -> None:
    """Run `turn` repeatedly until cancelled, with a jittered pause after a failure."""
    while True:
        try:
            await turn()
        except Exception:
            log.exception("a background turn failed", turn=turn.__qualname__)
            await asyncio.sleep(random.uniform(0.5, 2.0))  # noqa: S311


async def cancel_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for them, within a limit.

    Before Python 3.12 `asyncio.wait_for` swallows a cancellation at the moment its awaitable finishes; the loop then goes on and
    is cancelled again.
    """
    for _ in range(TRIES):
        tasks = [task for task in tasks if not task.done()]
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=AGAIN_S)
    log.error("background tasks did not end", tasks=[task.get_name() for task in tasks])
