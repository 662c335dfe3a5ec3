"""Announce this process's people to the other processes.

Changes are collected for a moment. The whole list is sent when a process asks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from core import metrics
from realtime.layer.bus import Bus
from realtime.local_users import LocalUser
from realtime.presence.departures import Departure

# All processes of the installation.
GROUP = "people"
# Changes within that time go out together.
FLUSH_S = 0.2
USERS_A_MESSAGE = 500
# After Redis was away all processes ask for all lists: one answer serves them all.
LIST_EVERY_S = 1.0


class Announcer:
    """Numbers its announcements, so that others notice a lost one."""

    def __init__(self, people: Mapping[int, LocalUser], bus: Bus, *, alone: bool) -> None:
        self._people, self._bus, self._alone = people, bus, alone
        self.number = 0
        self._came: dict[int, LocalUser] = {}
        self._left: dict[int, set[int]] = {}
        self._members: list[tuple[int, int, bool]] = []
        self._away: dict[int, LocalUser] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self._listed_at = 0.0
        self._list_timer: asyncio.TimerHandle | None = None

    def beat(self) -> dict[str, Any]:
        """A heartbeat.

        Called from its thread: only reads.
        """
        return {"type": "hub", "origin": self._bus.origin, "kind": "beat", "process": self._bus.origin, "number": self.number}

    def came(self, local: LocalUser) -> None:
        """A person has a socket here, and their rooms are known."""
        self._left.pop(local.person.id, None)
        self._came[local.person.id] = local
        self._schedule()

    def withdraw(self, user: int) -> None:
        """Drop unsent announcements: the person's last socket here has closed."""
        self._away.pop(user, None)

    def left(self, user: int, rooms: set[int]) -> None:
        """A person has no socket here any more."""
        self._came.pop(user, None)
        self._left[user] = rooms
        self._schedule()

    def member(self, user: int, room: int, *, member: bool) -> None:
        """A person with a socket here became a member of a room, or is one no longer."""
        self._members.append((user, room, member))
        self._schedule()

    def activity(self, local: LocalUser) -> None:
        """A person is away on all sockets here, or back on one."""
        self._away[local.person.id] = local
        self._schedule()

    def ask(self, process: str) -> None:
        """Ask a process for the whole list of its people."""
        self._bus.send(GROUP, {"kind": "people.ask", "process": process})

    def _schedule(self) -> None:
        if self._alone:
            self._came.clear()
            self._left.clear()
            self._members.clear()
            self._away.clear()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time(), self._flushed_at + FLUSH_S), self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._flushed_at = asyncio.get_running_loop().time()
        came = [_entry(local) for local in self._came.values()]
        left = [(user, list(rooms)) for user, rooms in self._left.items()]
        away = [(user, local.away, list(local.room_ids())) for user, local in self._away.items() if user not in self._came]
        members, self._members = self._members, []
        self._came, self._left, self._away = {}, {}, {}
        while came or left or away or members:
            self._send(
                came=came[:USERS_A_MESSAGE],
                left=left[:USERS_A_MESSAGE],
                away=away[:USERS_A_MESSAGE],
                members=members[:USERS_A_MESSAGE],
            )
            came, left = came[USERS_A_MESSAGE:], left[USERS_A_MESSAGE:]
            away, members = away[USERS_A_MESSAGE:], members[USERS_A_MESSAGE:]

    def _send(self, *, begins: bool = False, ends: bool = False, **changes: list[Any]) -> None:
        self.number += 1
        empty: dict[str, list[Any]] = {"came": [], "left": [], "members": [], "away": []}
        message = {"kind": "people", "process": self._bus.origin, "number": self.number, "begins": begins, "ends": ends}
        self._bus.send(GROUP, message | empty | changes)

    # --- the whole list

    def list_soon(self, departures: Mapping[int, Departure]) -> None:
        """Send the list of all people here, at most once in LIST_EVERY_S."""
        if self._list_timer is None:
            loop = asyncio.get_running_loop()
            self._list_timer = loop.call_at(max(loop.time(), self._listed_at + LIST_EVERY_S), self._list, departures)

    def _list(self, departures: Mapping[int, Departure]) -> None:
        self._list_timer = None
        self._listed_at = asyncio.get_running_loop().time()
        metrics.PRESENCE_LISTS.inc()
        # Without rooms: the asking process reads them from the database, for its open rooms.
        people: list[Any] = [(user, local.person.name, local.away, []) for user, local in self._people.items() if local.announced]
        people += [(user, gone.name, gone.away, []) for user, gone in departures.items() if gone.announced]
        pieces = [people[start : start + USERS_A_MESSAGE] for start in range(0, len(people), USERS_A_MESSAGE)] or [[]]
        for index, piece in enumerate(pieces):
            self._send(begins=index == 0, ends=index == len(pieces) - 1, came=piece)


def _entry(local: LocalUser) -> tuple[int, str, bool, list[int]]:
    return local.person.id, local.person.name, local.away, list(local.room_ids())
