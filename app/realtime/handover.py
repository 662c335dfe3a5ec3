"""Close sockets so that clients reconnect to other processes, spread over time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from core.errors import Close
from realtime.events import encode
from realtime.registry import Registry
from realtime.send_queue import Batch
from realtime.subscriber import Subscriber

DRAIN_PER_S = 200
DRAIN_BATCH = 20


class Handover:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def drain(self, spread_s: float, hurry: Callable[[], bool]) -> None:
        """Send `drain` to all sockets, then close them with 1012 over at most `spread_s`."""
        await self.close(self._registry.sockets(), spread_s, hurry)

    async def close(self, sockets: list[Subscriber], spread_s: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Close these sockets as `drain` does; `spread_s` is shorter for few sockets."""
        random.shuffle(sockets)
        spread_s = min(spread_s, len(sockets) / DRAIN_PER_S)
        notice = Batch([encode({"type": "drain", "after_ms": int(spread_s * 1000)})])
        for socket in sockets:
            if type(socket.dialect).signals:
                socket.push_batch(notice)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for start in range(0, len(sockets), DRAIN_BATCH):
            for socket in sockets[start : start + DRAIN_BATCH]:
                socket.close_soon(Close.RESTART, "service restart")
            if not hurry():
                # Follow the clock: closing takes time as well, and must not eat the time for the end.
                due = begun + spread_s * (start + DRAIN_BATCH * random.uniform(0.5, 1.0)) / len(sockets)  # noqa: S311
                await asyncio.sleep(max(0.0, due - loop.time()))

    async def share(self, part: float, per_s: float, wanted: Callable[[], bool]) -> int:
        """Close that part of the sockets one by one, with jitter, while `wanted()`.

        Return how many.
        """
        sockets = self._registry.sockets()
        chosen = random.sample(sockets, round(part * len(sockets)))
        for number, socket in enumerate(chosen):
            await asyncio.sleep(random.expovariate(per_s))
            if not wanted():
                return number
            await self.close([socket], 0)
        return len(chosen)
