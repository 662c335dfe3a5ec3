"""Run once a second: send delayed unread counts, close unused rooms, close slow readers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from core import metrics, process, state
from realtime.live_room import LiveRoom, unread
from realtime.send_queue import Batch

if TYPE_CHECKING:
    from realtime.hub import Hub

# Longer than the time between opening a room and its first use.
EMPTY_ROOM_S = 15.0
UNREAD_EVERY_S = 1.0
# Ticks for one pass over all rooms in search of unused ones.
SWEEP_TURNS = 10
# Rooms or sockets checked before the event loop runs other tasks.
SLICE = 2_000


class Housekeeping:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        # Rooms with a delayed unread count. A process may serve tens of thousands of quiet rooms.
        self.due: set[LiveRoom] = set()
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
        metrics.LAYER_DEGRADED.set(not self.hub.layer_works)
        await self._flush_due(now)
        await self._close_empty(now)
        metrics.ROOMS.set(len(self.hub.rooms))
        self.hub.send_budget.measure()
        sockets = [socket for local in self.hub.people.values() for socket in local.sockets]
        for start in range(0, len(sockets), SLICE):
            self.hub.close_slow([socket for socket in sockets[start : start + SLICE] if socket.send_queue.overdue(now)])
            await asyncio.sleep(0)

    async def _flush_due(self, now: float) -> None:
        for index, room in enumerate(list(self.due), 1):
            if room.unread_due and now - room.unread_at >= UNREAD_EVERY_S:
                self._flush_unread(room)
            if not room.unread_due:
                self.due.discard(room)
            if index % (SLICE // 10) == 0:  # sending costs more than checking
                await asyncio.sleep(0)

    async def _close_empty(self, now: float) -> None:
        """Close rooms that stayed unused. Each tick checks a part of all rooms."""
        if not self._sweep:
            self._sweep = list(self.hub.rooms.values())
        for _ in range(max(SLICE, len(self.hub.rooms)) // SWEEP_TURNS):
            if not self._sweep:
                return
            room = self._sweep.pop()
            if room.unread_due:
                self.due.add(room)
            self.hub.presence.close_unused(room)
            if room.in_use or self.hub.live.is_keeping(room.ref.id):
                room.empty_since = None
            elif room.empty_since is None:
                room.mark_used()
            elif now - room.empty_since > EMPTY_ROOM_S and self.hub.rooms.get(room.ref.id) is room:
                self.due.discard(room)
                self.hub.close(room)
            if len(self._sweep) % SLICE == 0:
                await asyncio.sleep(0)

    def unread_due(self, room: LiveRoom) -> None:
        """Send the unread count at once if the room was quiet, otherwise at the next tick."""
        room.unread_due = True
        if time.monotonic() - room.unread_at >= UNREAD_EVERY_S:
            self._flush_unread(room)
        else:
            self.due.add(room)

    @staticmethod
    def _flush_unread(room: LiveRoom) -> None:
        room.unread_due, room.unread_at = False, time.monotonic()
        for local in room.watchers:
            local.push_unjoined(room.ref.slug, Batch([unread(room.ref, room.head, local)]))
