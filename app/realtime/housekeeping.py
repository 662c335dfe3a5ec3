"""Housekeeping of the hub, once a second.

It sends delayed unread counts and closes unused rooms and slow readers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from core import metrics, process, state
from realtime.live_room import LiveRoom
from realtime.live_values import LiveValues
from realtime.presence.sync import Presence
from realtime.registry import UNREAD_EVERY_S, Registry
from realtime.room_opener import RoomOpener
from realtime.send_buffer_budget import SendBufferBudget

# Longer than the time between opening a room and its first use.
EMPTY_ROOM_S = 15.0
# Ticks for one pass over all rooms in search of unused ones.
SWEEP_TICKS = 10
# Rooms or sockets checked before the event loop runs other tasks.
SLICE = 2_000


class Housekeeping:
    def __init__(
        self,
        registry: Registry,
        presence: Presence,
        live: LiveValues,
        opener: RoomOpener,
        send_budget: SendBufferBudget,
        layer_works: Callable[[], bool],
    ) -> None:
        self._registry, self._presence, self._live = registry, presence, live
        self._opener, self._send_budget, self._layer_works = opener, send_budget, layer_works
        self._sweep: list[LiveRoom] = []

    async def tick(self) -> None:
        due = time.monotonic() + 1
        await asyncio.sleep(1)
        now = time.monotonic()
        late = max(0.0, now - due)
        metrics.LOOP_LAG.set(late)
        metrics.LOOP_LATE.observe(late)
        metrics.DRAINING.set(state.draining)
        process.measure()
        metrics.settle()
        metrics.LAYER_DEGRADED.set(not self._layer_works())
        await self._send_unread(now)
        await self._close_empty(now)
        metrics.ROOMS.set(len(self._registry.rooms))
        self._send_budget.measure()
        sockets = self._registry.sockets()
        for start in range(0, len(sockets), SLICE):
            self._registry.close_slow([socket for socket in sockets[start : start + SLICE] if socket.send_queue.overdue(now)])
            await asyncio.sleep(0)

    async def _send_unread(self, now: float) -> None:
        for index, room in enumerate(list(self._registry.dirty), 1):
            if room.unread_due and now - room.unread_at >= UNREAD_EVERY_S:
                room.send_unread()
            if not room.unread_due:
                self._registry.dirty.discard(room)
            if index % (SLICE // 10) == 0:  # sending costs more than checking
                await asyncio.sleep(0)

    async def _close_empty(self, now: float) -> None:
        """Close rooms that stayed unused.

        Each tick checks a part of all rooms.
        """
        if not self._sweep:
            self._sweep = list(self._registry.rooms.values())
        for _ in range(max(SLICE, len(self._registry.rooms)) // SWEEP_TICKS):
            if not self._sweep:
                return
            room = self._sweep.pop()
            if room.unread_due:
                self._registry.dirty.add(room)
            self._presence.close_unused(room)
            if room.in_use or self._live.is_keeping(room.ref.id):
                room.empty_since = None
            elif room.empty_since is None:
                room.mark_used()
            elif now - room.empty_since > EMPTY_ROOM_S and self._registry.rooms.get(room.ref.id) is room:
                self._registry.dirty.discard(room)
                self._live.closed(room.ref.id)
                self._opener.close(room)
            if len(self._sweep) % SLICE == 0:
                await asyncio.sleep(0)
