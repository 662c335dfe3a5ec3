"""Open rooms for this process and close them.

An open room has a subscription to the layer, and the head of its log.
"""

from __future__ import annotations

from core.limits import LIMITS, Limits
from realtime.events import Head, RoomRef
from realtime.layer.bus import Bus
from realtime.live_room import LiveRoom
from realtime.ports import domains
from realtime.registry import Registry


class RoomOpener:
    def __init__(self, registry: Registry, bus: Bus, limits: Limits = LIMITS) -> None:
        self._registry, self._bus, self._limits = registry, bus, limits

    async def open(self, ref: RoomRef) -> LiveRoom:
        """Return the room, subscribed and with a known head.

        It stays open until the caller calls `mark_used`.

        Raises DatabaseUnavailable.
        """
        return (await self.open_many([ref]))[0]

    async def open_many(self, refs: list[RoomRef]) -> list[LiveRoom]:
        """Open several rooms, as `open` does, with one read."""
        known = self._registry.rooms
        new = [known.setdefault(ref.id, LiveRoom(ref, self._limits)) for ref in refs if ref.id not in known]
        if new:
            await self._load(new)
        rooms = []
        for ref in refs:
            found = known.get(ref.id)
            if found is not None:
                await found.opened.wait()
            # The task that was loading the room may have failed: load it here then.
            rooms.append(found if found and known.get(ref.id) is found else await self.open(ref))
        for room in rooms:
            room.empty_since = None
        return rooms

    async def _load(self, rooms: list[LiveRoom]) -> None:
        try:
            await self._bus.subscribe(f"room.{room.ref.id}" for room in rooms)
            # Read the heads after subscribing: the layer brings later commits, the head covers earlier ones.
            heads = await domains().LOG.heads([room.ref.id for room in rooms])
        except BaseException:
            for room in rooms:
                self._registry.rooms.pop(room.ref.id, None)
                room.opened.set()
            raise
        for room in rooms:
            room.skip_to(heads.get(room.ref.id, Head(0)))
            room.opened.set()
            self._registry.deliver(room, room.sequence([]))

    def close(self, room: LiveRoom) -> None:
        """Stop serving a room that no local socket uses."""
        self._registry.rooms.pop(room.ref.id, None)
        self._bus.unsubscribe(f"room.{room.ref.id}")
