"""Supervise background loops.

One failed tick must not end a service of the whole process.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

import structlog

logger = structlog.get_logger(__name__)

AGAIN_S = 1.0
TRIES = 5


async def run_forever(tick: Callable[[], Awaitable[None]]) -> None:
    """Run `tick` repeatedly until cancelled, with a jittered pause after a failure."""
    while True:
        try:
            await tick()
        except Exception:
            logger.exception("a background tick failed", tick=tick.__qualname__)
            await asyncio.sleep(random.uniform(0.5, 2.0))  # noqa: S311


async def cancel_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for them, within a limit.

    Before Python 3.12 `asyncio.wait_for`, which a library may use, swallows a cancellation at the moment its awaitable
    finishes; the loop then goes on and is cancelled again.
    """
    for _ in range(TRIES):
        tasks = [task for task in tasks if not task.done()]
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=AGAIN_S)
    logger.error("background tasks did not end", tasks=[task.get_name() for task in tasks])


class BackgroundTasks:
    """Tasks of one owner: referenced until they end, their errors logged."""

    def __init__(self) -> None:
        self.running: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` in a task of its own."""
        task = asyncio.get_running_loop().create_task(work)
        self.running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("background task failed", task=task.get_name(), exc_info=error)

    async def cancel(self) -> None:
        """Cancel all, and wait for them within a limit."""
        await cancel_all(self.running)
