"""The interface that realtime needs from the domains.

config/ports.py provides it (settings.REALTIME_PORTS). realtime imports no domain package; this is the complete interface.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from django.conf import settings

from core.errors import BadCredentials
from core.features import EventKind, installed
from realtime.dialects.base import Dialect, DialectSocket
from realtime.events import Head, LogEvent, News, Person, RoomRef, State
from realtime.protocol import Frames


class Membership(NamedTuple):
    room: RoomRef
    # The read mark, and how many events up to it do not count as unread.
    last_read_seq: int
    uncounted: int = 0
    # The room's head, and the seconds since its last message, both as of this read.
    head: int = 0
    quiet_s: float | None = None


class Log(Protocol):
    """Reads of the rooms' logs.

    Each raises DatabaseUnavailable within its time limit.
    """

    async def events(self, spans: Mapping[int, tuple[int, int]]) -> dict[int, list[LogEvent]]:
        """Return each room's events in (first, second], oldest first, in one query.

        The result is one page: if it is full, the last events of a room or whole rooms are missing.
        """

    async def heads(self, rooms: list[int]) -> dict[int, Head]:
        """Return the head of each room, in one query."""

    async def heads_moved(self, since: datetime) -> dict[int, Head]:
        """Return the head of every room with an event since `since`, in one query."""


class Domains(Protocol):
    """The contents of the module settings.REALTIME_PORTS."""

    LOG: Log
    DIALECTS: Any

    async def authenticate(self, scope: dict[str, Any]) -> tuple[Person, str]: ...
    async def memberships(self, user: int) -> list[Membership]:
        """Return the person's WATCHED_ROOMS most recently active rooms."""

    async def mentions(self, user: int) -> dict[int, list[int]]:
        """Return the seqs of unread messages that name the person, by room."""

    async def members_among(self, room_ids: list[int], users: list[int]) -> dict[int, set[int]]: ...
    async def journal(
        self, changes: tuple[int, list[int]] | None, members: tuple[int, list[int]] | None, expired_s: float
    ) -> News: ...
    async def features_off(self) -> frozenset[str]:
        """Return the names of the features that an administrator has switched off."""

    def hide_kinds(self, hidden: Iterable[EventKind]) -> None:
        """Treat these kinds of events, and only these, as unknown."""

    async def state(self, people: set[int], renamed: set[int], rooms: set[int], members: set[tuple[int, int]]) -> State: ...
    async def enter_room(self, user: Person, slug: str) -> RoomRef: ...
    async def set_alias(self, socket: DialectSocket, alias: str) -> None: ...
    async def stored_before(self, user: int, frame: Any) -> dict[str, Any] | None:
        """Return the reply to a durable frame whose key is in the log."""


@functools.cache
def domains() -> Domains:
    module: Any = import_module(settings.REALTIME_PORTS)
    return module


@functools.cache
def frame_table() -> Frames:
    return Frames(installed().frames)


def dialect_by(credential: str, dialect: type[Dialect]) -> type[Dialect]:
    """Return the dialect that a credential gets at the path of `dialect`.

    Raises BadCredentials where it may not be used.
    """
    kind = installed().tokens.get(credential.partition(":")[0])
    if kind is None:
        return dialect
    found: type[Dialect] | None = kind.dialects.get(dialect.name)
    if found is None:
        raise BadCredentials("this token may not be used at this path")
    return found


def dialect_for(path: str) -> tuple[type[Dialect], str] | None:
    """Return the dialect of a path and the room in it ("" if none)."""
    for pattern, dialect in domains().DIALECTS:
        match = pattern.fullmatch(path)
        if match:
            return dialect, match.groupdict().get("room") or ""
    return None
