"""Memberships of other processes' people in active rooms, read from the database.

An announcement of a person names their rooms. They are read here where no announcement was heard: when a room becomes
active, and when a process was asked for the whole list of its people.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

import structlog

from db.database import DatabaseUnavailable
from realtime.live_room import LiveRoom
from realtime.ports import domains
from realtime.presence.peers import Peers, chunks

logger = structlog.get_logger(__name__)

# How long a join waits for the people of other processes; a later answer goes to the room as `presence`.
WAIT_S = 0.5
ROOMS_A_QUERY = 200
USERS_A_QUERY = 5_000


class Placed(Protocol):
    """Where the answers go: presence/sync.py."""

    peers: Peers

    def active_rooms(self) -> dict[int, LiveRoom]: ...
    def place(self, room: LiveRoom, user: int, *, member: bool) -> None: ...


class Placing:
    """Reads in batches.

    Requests that arrive while a query is under way go with the next one.
    """

    def __init__(self, presence: Placed, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        self._presence, self._spawn = presence, spawn
        # Active rooms for which everybody on the other processes is looked up.
        self._rooms: dict[int, LiveRoom] = {}
        # Users who are looked up for all active rooms.
        self._users: set[int] = set()
        self._answered: asyncio.Event | None = None
        # (room, user) pairs announced while a query is under way: the announcement is newer.
        self._changed: set[tuple[int, int]] | None = None
        self._task: asyncio.Task[None] | None = None

    async def room(self, room: LiveRoom) -> None:
        """Look up the people of other processes for a room; returns within WAIT_S."""
        self._rooms[room.ref.id] = room
        answered = self._begin()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await answered.wait()

    def users(self, users: Iterable[int]) -> None:
        """Look up people for all active rooms."""
        self._users.update(users)
        if self._users:
            self._begin()

    def changed(self, room: int, user: int) -> None:
        """Note an announcement."""
        if self._changed is not None:
            self._changed.add((room, user))

    def _begin(self) -> asyncio.Event:
        if self._answered is None:
            self._answered = asyncio.Event()
        if self._task is None or self._task.done():
            self._task = self._spawn(self._work())
        return self._answered

    async def _work(self) -> None:
        while self._rooms or self._users:
            rooms, self._rooms = self._rooms, {}
            users, self._users = self._users, set()
            answered, self._answered = self._answered, None
            try:
                if rooms:
                    await self._place(rooms, list(self._presence.peers))
                if users:
                    await self._place(self._presence.active_rooms(), list(users))
            except Exception as error:  # any error: there is no other caller to ask again
                if not isinstance(error, DatabaseUnavailable):
                    logger.exception("people of other processes could not be looked up")
                self._rooms, self._users = rooms | self._rooms, users | self._users
                await asyncio.sleep(random.uniform(0.3, 2))  # noqa: S311
            finally:
                if answered is not None:
                    answered.set()

    async def _place(self, rooms: dict[int, LiveRoom], users: list[int]) -> None:
        self._changed = set()
        try:
            for ids in chunks(rooms, ROOMS_A_QUERY):
                for some in chunks(users, USERS_A_QUERY):
                    found = await domains().members_among(ids, some)
                    for room_id in ids:
                        self._apply(rooms[room_id], found.get(room_id, set()), some)
        finally:
            self._changed = None
        for room in rooms.values():
            room.presence.placed = True

    def _apply(self, room: LiveRoom, members: set[int], asked: list[int]) -> None:
        if not room.presence.active:
            return
        lost = room.presence.online.keys() & set(asked) - members
        for user in members | lost:
            if (room.ref.id, user) not in (self._changed or ()):
                self._presence.place(room, user, member=user in members)
