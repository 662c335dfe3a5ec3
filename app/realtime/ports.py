"""What realtime needs from the domains, handed over by config/frames.py (settings.SOCKET_FRAMES).

realtime imports no domain package; this is the whole of the interface.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from django.conf import settings

from realtime.dialects.base import Dialect
from realtime.events import LogEvent, News, Person, RoomRef, State
from realtime.protocol import AtOnce, Frames, Handler

if TYPE_CHECKING:
    from realtime.socket import Socket


class Membership(NamedTuple):
    room: RoomRef
    upto: int


class Log(Protocol):
    """Reads of the rooms' logs. Each raises DatabaseUnavailable within its time limit."""

    async def events(self, spans: Mapping[int, tuple[int, int]]) -> dict[int, list[LogEvent]]:
        """Of each room the events above the first and up to the second seq, oldest first, in one query.

        It is a page: when all would be too large some are left out, the last ones of a room and whole rooms.
        """

    async def heads(self, rooms: list[int]) -> dict[int, int]:
        """The last seq of each room, in one query."""

    async def heads_moved(self, since: datetime) -> dict[int, int]:
        """The last seq of every room whose last event is not older than `since`, in one query."""


class Domains(Protocol):
    """What the module settings.SOCKET_FRAMES holds."""

    FRAMES: dict[str, Handler]
    AT_ONCE: dict[str, AtOnce]
    UNPACED: frozenset[str]
    LOG: Log
    DIALECTS: Any

    async def authenticate(self, scope: dict[str, Any]) -> tuple[Person, str]: ...
    async def memberships(self, user: int) -> list[Membership]: ...
    async def members_among(self, room_ids: list[int], users: list[int]) -> dict[int, set[int]]: ...
    async def journal(
        self, changes: tuple[int, list[int]] | None, members: tuple[int, list[int]] | None, expired_s: float
    ) -> News: ...
    async def state(self, people: set[int], renamed: set[int], rooms: set[int], members: set[tuple[int, int]]) -> State: ...
    async def enter_room(self, user: Person, slug: str) -> RoomRef: ...
    async def set_alias(self, socket: Socket, alias: str) -> None: ...
    async def may_write(self, room: int, user: int) -> bool: ...


@functools.cache
def domains() -> Domains:
    module: Any = import_module(settings.SOCKET_FRAMES)
    return module


@functools.cache
def frames() -> Frames:
    return Frames(domains().FRAMES, domains().AT_ONCE)


def dialect_for(path: str) -> tuple[type[Dialect], str] | None:
    """The dialect spoken at a path, and the room named in it ("" where none is)."""
    for pattern, dialect in domains().DIALECTS:
        match = pattern.fullmatch(path)
        if match:
            return dialect, match.groupdict().get("room") or ""
    return None
