"""What rooms, people and presence may do with a socket.

The socket itself: realtime/socket.py.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

from core.errors import Close
from realtime.dialects.base import Dialect
from realtime.events import Person, RoomRef
from realtime.send_queue import Batch, SendQueue


class Subscriber(Hashable, Protocol):
    """One authenticated socket."""

    user: Person
    dialect: Dialect
    send_queue: SendQueue
    # The LocalUser whose socket it is, once it is registered.
    local: Any
    # The LiveRooms that it has joined, by slug.
    rooms: dict[str, Any]
    # What features keep with it.
    state: dict[str, Any]
    # The nginx that proxies it.
    nginx: str | None
    # Whether the client reported that its user is away from this device.
    away: bool
    closed: bool

    @property
    def credential_name(self) -> str: ...

    @property
    def served(self) -> Any:
        """Return the consumer behind it, or its dialect's class."""

    def is_older_than(self, mark: str) -> bool:
        """Return whether its session is older than the password with that mark."""

    def push(self, text: str) -> None: ...
    def push_batch(self, batch: Batch) -> None: ...
    def close_soon(self, code: Close, reason: str) -> None: ...
    def removed_from(self, room: RoomRef) -> None:
        """End the subscription to a room that the person has left."""
