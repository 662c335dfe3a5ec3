"""Who is online, read anew from Redis: heals what a lost message, a dead process or a Redis without memory left wrong.

Only rooms with joined sockets are read, many in one round trip: of a room that is merely watched nobody is told who is
there, and a join reads it first.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from realtime.presence import RENEW_S
from realtime.room import Room

if TYPE_CHECKING:
    from realtime.hub import Hub

TURN_S = 1.0
PASS_S = 60
"""In which all rooms are read once, when nothing is known to be wrong."""
ROOMS_A_TURN = (50, 1_000)
"""At least, and at most: it is Redis' time and ours."""
ROOMS_A_TRIP = 100
PEOPLE_A_S = 250
"""A pass rests until it has read no more: a room of a thousand, read every second, took 1 % of a core in each process."""


class Refresh:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._waiting: list[Room] = []
        """What is left of this pass."""
        self._hurry_at: float | None = None
        """When to read everything as fast as may be."""
        self._begun_at = 0.0
        self._people = 0
        """How many this pass has read so far."""
        self._a_turn = ROOMS_A_TURN[0]
        self._forgot_at = 0.0
        self._gone: set[str] = set()

    def soon(self) -> None:
        """Messages about people may have been lost: everything is read as soon as all have written what they hold."""
        if self._hurry_at is None:
            self._hurry_at = asyncio.get_running_loop().time() + RENEW_S + 1

    async def turn(self) -> None:
        """Some rooms."""
        await asyncio.sleep(TURN_S * random.uniform(0.8, 1.2))  # noqa: S311
        store = self.hub.store
        if store is None:
            return
        if store.forgot_at != self._forgot_at:
            self._forgot_at = store.forgot_at
            self.soon()
        if self._hurry_at is not None and asyncio.get_running_loop().time() >= self._hurry_at:
            self._hurry_at = None
            self._begin(ROOMS_A_TURN[1])
        await self._forget_gone(await store.gone())
        await self._read(self._next())

    def _begin(self, a_turn: int) -> None:
        self._waiting = [room for room in self.hub.rooms.values() if room.presence.local]
        self._begun_at, self._people = asyncio.get_running_loop().time(), 0
        least, most = ROOMS_A_TURN
        self._a_turn = min(most, max(least, a_turn, len(self._waiting) // PASS_S))

    def _next(self) -> list[Room]:
        rested_at = self._begun_at + min(PASS_S, self._people / PEOPLE_A_S)
        if not self._waiting and asyncio.get_running_loop().time() >= rested_at:
            self._begin(0)
        some, self._waiting = self._waiting[: self._a_turn], self._waiting[self._a_turn :]
        return some

    async def _read(self, rooms: list[Room]) -> None:
        store = self.hub.store
        if store is None:
            return
        for start in range(0, len(rooms), ROOMS_A_TRIP):
            some = rooms[start : start + ROOMS_A_TRIP]
            asked_at = time.monotonic()
            found = await store.read_many([room.ref.id for room in some])
            if found is None:
                return  # they have their turn with the next pass
            for room in some:
                room.presence.replace_remote(found[room.ref.id], asked_at, store.alive)
                self._people += len(room.presence.local) + sum(map(len, room.presence.remote.values()))
                if room.presence.due:
                    self.hub.ticker.presence_later(room)

    async def _forget_gone(self, gone: set[str] | None) -> None:
        """Processes whose lease ran out: their people are gone from every room, read or not."""
        new = (gone or set()) - self._gone
        if gone is not None:
            self._gone = gone
        if not new:
            return
        for index, room in enumerate(list(self.hub.rooms.values()), 1):
            if room.presence.forget_processes(new):
                self.hub.ticker.presence_later(room)
            if index % 2_000 == 0:
                await asyncio.sleep(0)
