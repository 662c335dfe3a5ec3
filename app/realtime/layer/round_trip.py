"""Check that one Redis carries messages.

A message to this process's own channel must come back.
An open connection proves little: a user without the right to a channel, or a proxy without its server, keeps it open.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from core import metrics
from core.supervise import cancel_all, run_forever

EVERY_S = 1.0
# Longer than a harmless pause of Redis, shorter than a probe's patience.
LATE_S = 3.0


class RoundTrip:
    """`publish` sends one message to the channel; call `heard` when one arrives."""

    def __init__(self, publish: Callable[[], None]) -> None:
        self._publish = publish
        self._confirmed = False
        self._unheard_since: float | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def works(self) -> bool:
        """Return whether a message came back on these connections and none is late."""
        return self._confirmed and (self._unheard_since is None or time.monotonic() - self._unheard_since < LATE_S)

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(run_forever(self._tick))

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await cancel_all([task])
        self.begin()

    def begin(self) -> None:
        """Forget the past: the connection is new."""
        self._confirmed, self._unheard_since = False, None

    def send(self) -> None:
        """Send one message now, before the next second."""
        if self._unheard_since is None:
            self._unheard_since = time.monotonic()
        self._publish()

    def heard(self) -> None:
        if self._unheard_since is not None:
            metrics.LAYER_ROUND_TRIP.observe(time.monotonic() - self._unheard_since)
        self._confirmed, self._unheard_since = True, None

    async def _tick(self) -> None:
        await asyncio.sleep(EVERY_S * random.uniform(0.8, 1))  # noqa: S311
        self.send()
