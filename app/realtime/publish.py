"""The only way out: domains hand over what has happened, the hub and the channel layer carry it.

Call these on the event loop and only after commit. Nothing here waits: what the layer cannot carry in time is dropped,
because the log is the truth and every hub reads it when it finds a hole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from realtime import hub
from realtime.events import FrameId, Later, LogEvent, Page, Person, Revoked, RoomRef, Seq, Slug, encode

__all__ = [
    "FrameId",
    "Later",
    "LogEvent",
    "Page",
    "Person",
    "Revoked",
    "RoomRef",
    "Seq",
    "Slug",
    "encode",
    "log_events",
    "member_added",
    "read_mark",
    "revoked",
    "room_signal",
]


def log_events(room: RoomRef, events: Sequence[LogEvent]) -> None:
    """Committed events of one room, in seq order."""
    hub.current().publish_log(room, events)


def room_signal(room: RoomRef, frame: dict[str, Any], *, sender: int) -> None:
    """A frame without seq (`typing`, `read`, `room.updated`) for the joined sockets, the sender's own left out."""
    hub.current().publish(f"room.{room.id}", {"kind": "signal", "room": list(room), "frame": encode(frame), "sender": sender})


def read_mark(room: RoomRef, user: int, upto: int) -> None:
    """A person's read mark moved: their other sockets count `unread` from it."""
    hub.current().publish(f"user.{user}", {"kind": "mark", "user": user, "room": room.id, "upto": upto})


def member_added(room: RoomRef, users: Iterable[int], *, upto: int = 0) -> None:
    """People became members of a room whose log stood at `upto`: their sockets start to hear of it."""
    for user in users:
        hub.current().publish(f"user.{user}", {"kind": "member", "user": user, "room": list(room), "upto": upto})


def revoked(what: Revoked) -> None:
    """A credential or a membership ended: the sockets it carried are closed with 4010, or stop hearing of the room."""
    hub.current().publish(f"user.{what.user}", {"kind": "revoked", "user": what.user, "what": list(what)})
