"""What features call to set and read live values (realtime/live_values.py)."""

from __future__ import annotations

from typing import Any

from realtime import hub
from realtime.events import Person, RoomRef
from realtime.live_topic import Value

__all__ = ["Value", "end", "publish", "values"]


def publish(room: RoomRef, topic: str, key: str, value: Any, *, sender: Person, keep_s: float | None = None) -> None:
    """Set a live value; everybody in the room is sent it.

    Raises TooMany or TooLong. Call on the event loop.

    `key`: which value of the topic, at most 64 characters. `value`: anything JSON but null, at most 16,384 characters. `keep_s`:
    how long it is valid, if not as long as the topic says.
    """
    hub.current().live.publish(room, topic, key, value, sender=sender, keep_s=keep_s)


def end(room: RoomRef, topic: str, key: str, *, sender: Person) -> None:
    """End a live value.

    It is removed from every store, and every client is sent `value` null.
    """
    hub.current().live.publish(room, topic, key, None, sender=sender)


def values(room: RoomRef, topic: str) -> dict[str, Value]:
    """Return the values of a topic that this process knows.

    Those of a room without sockets here are in the store only.
    """
    return hub.current().live.values_of(room.id, topic)
