"""The only way out: domains hand over what has happened, the hub and the channel layer carry it.

Call these on the event loop and only after commit. Nothing here waits: what the layer cannot carry in time is dropped,
because the log is the truth and every hub reads it when it finds a hole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from realtime import hub, journal
from realtime.events import (
    DeferredReply,
    FrameId,
    JournalRow,
    LogEvent,
    News,
    Page,
    Person,
    PersonNow,
    Revoked,
    RoomDetails,
    RoomNow,
    RoomRef,
    Seq,
    Slug,
    State,
    credential_name,
    encode,
)

if TYPE_CHECKING:
    from realtime.socket import Socket

__all__ = [
    "DeferredReply",
    "FrameId",
    "JournalRow",
    "LogEvent",
    "News",
    "Page",
    "Person",
    "PersonNow",
    "Revoked",
    "RoomDetails",
    "RoomNow",
    "RoomRef",
    "Seq",
    "Slug",
    "State",
    "changed",
    "credential_name",
    "encode",
    "log_events",
    "member_added",
    "own_signal",
    "read_mark",
    "revoked",
    "room_signal",
]


def log_events(room: RoomRef, events: Sequence[LogEvent]) -> None:
    """Committed events of one room, in seq order."""
    hub.current().publish_log(room, events)


def room_signal(room: RoomRef, frame: dict[str, Any], *, sender: int) -> None:
    """A frame without seq (`typing`, `read`) for the joined sockets, the sender's own left out."""
    hub.current().publish(f"room.{room.id}", {"kind": "signal", "room": list(room), "frame": encode(frame), "sender": sender})


def own_signal(room: RoomRef, frame: dict[str, Any], *, user: int) -> None:
    """Send a frame without seq to this person's sockets that have joined the room, and to nobody else's."""
    message = {"kind": "signal", "room": list(room), "frame": encode(frame), "sender": 0, "only": user}
    hub.current().publish(f"user.{user}", message)


def changed() -> None:
    """Something was written that the journal notes: every process reads it now and not only with its next poll."""
    running = hub.current.peek()
    if running is not None:  # a page may be handled where no sockets are
        running.publish(journal.GROUP, {"kind": "changes"})


def read_mark(room: RoomRef, user: int, *, head: int, upto: int) -> None:
    """Send `unread` to the person's sockets that have not joined the room; `head` is the room's."""
    message = {"kind": "mark", "user": user, "room": room.id, "slug": room.slug, "head": head, "upto": upto}
    hub.current().publish(f"user.{user}", message)


def member_added(
    room: RoomRef, users: Iterable[int], details: RoomDetails, *, head: int = 0, upto: int = 0, but_for: Socket | None = None
) -> None:
    """Send `room.added` to the sockets of new members, except the socket whose own frame made the membership."""
    message = {"kind": "member", "room": list(room), "head": head, "upto": upto, "details": details}
    running = hub.current.peek()
    if running is not None:  # an administrator's page may be handled where no sockets are
        for user in users:
            running.publish_member(user, {**message, "user": user}, but_for)


def revoked(what: Revoked) -> None:
    """A credential or a membership ended: the sockets it carried are closed with 4010, or stop hearing of the room."""
    # As the release before reads it: an id, what to keep and a time are there, too.
    listed = ["", what.user, credential_name(what.credential), "", list(what.room) if what.room else None, 0.0]
    hub.current().publish(f"user.{what.user}", {"kind": "revoked", "user": what.user, "what": listed, "reason": what.reason})
