"""Publish news of the domains through the hub and the channel layer.

There is no other way.

Call these on the event loop and only after commit. Nothing here waits: messages that the layer cannot carry in time are
dropped, because every hub that finds a gap reads the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from realtime import hub, journal
from realtime.events import (
    WATCHED_ROOMS,
    DeferredReply,
    FrameId,
    Head,
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
    StoredSlug,
    credential_name,
    encode,
    folded,
)
from realtime.local_users import LocalUser
from realtime.send_queue import Batch
from realtime.subscriber import Subscriber

__all__ = [
    "WATCHED_ROOMS",
    "Batch",
    "DeferredReply",
    "FrameId",
    "Head",
    "JournalRow",
    "LocalUser",
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
    "StoredSlug",
    "changed",
    "credential_name",
    "dialect_note",
    "encode",
    "folded",
    "has_sockets_elsewhere",
    "local_user",
    "log_events",
    "member_added",
    "own_signal",
    "person_signal",
    "read_mark",
    "revoked",
    "room_signal",
]


def log_events(room: RoomRef, events: Sequence[LogEvent]) -> None:
    """Publish committed events of one room, in seq order."""
    hub.current().publish_log(room, events)


def room_signal(room: RoomRef, frame: dict[str, Any], *, sender: int) -> None:
    """Send a frame without seq (`typing`, `read`) to others' joined sockets."""
    hub.current().publish(f"room.{room.id}", {"kind": "signal", "room": list(room), "frame": encode(frame), "sender": sender})


def own_signal(room: RoomRef, frame: dict[str, Any], *, user: int) -> None:
    """Send a frame without seq to this person's own sockets in the room only."""
    message = {"kind": "signal", "room": list(room), "frame": encode(frame), "sender": 0, "only": user}
    hub.current().publish(f"user.{user}", message)


def person_signal(user: int, frame: dict[str, Any]) -> None:
    """Send a frame without seq to all of a person's sockets, in any room or none."""
    hub.current().publish(f"user.{user}", {"kind": "person", "user": user, "frame": encode(frame)})


def dialect_note(user: int, dialect: str, note: dict[str, Any]) -> None:
    """Hand a note to all of a person's sockets of a dialect, in every process.

    They get it by `Dialect.noted`. Those of this process have it on return. The others may miss it.
    """
    hub.current().publish(f"user.{user}", {"kind": "note", "user": user, "dialect": dialect, "note": note})


def has_sockets_elsewhere(user: int) -> bool:
    """Return whether another process announced sockets of the person."""
    return bool(hub.current().presence.peers.states(user))


def local_user(user: int) -> LocalUser | None:
    """Return a person with sockets in this process."""
    return hub.current().registry.people.get(user)


def changed() -> None:
    """Make every process read the journal now, before its next poll."""
    running = hub.current.peek()
    if running is not None:  # a page may run in a process without sockets
        running.publish(journal.GROUP, {"kind": "changes"})


def read_mark(room: RoomRef, user: int, *, head: Head, last_read: Head) -> None:
    """Send `unread` to the person's sockets that have not joined the room.

    `head` is the room's, `last_read` the read mark.
    """
    message = {"kind": "mark", "user": user, "room": room.id, "slug": room.slug, "head": head.seq, "upto": last_read.seq}
    # The previous release does not know these.
    message |= {"head_uncounted": head.uncounted, "uncounted": last_read.uncounted}
    hub.current().publish(f"user.{user}", message)


def member_added(
    room: RoomRef,
    users: Iterable[int],
    details: RoomDetails,
    *,
    head: int = 0,
    last_read: Head = Head(0),  # noqa: B008  # a tuple
    but_for: Subscriber | None = None,
) -> None:
    """Send `room.added` to new members' sockets, except the socket that joined."""
    message = {"kind": "member", "room": list(room), "head": head, "upto": last_read.seq, "details": details}
    message["uncounted"] = last_read.uncounted  # the previous release does not know it
    running = hub.current.peek()
    if running is not None:  # an administrator's page may run in a process without sockets
        for user in users:
            running.publish_member(user, {**message, "user": user}, but_for)


def revoked(what: Revoked) -> None:
    """Close an ended credential's sockets with 4010, or end a membership."""
    # As the release before reads it: an id, what to keep and a time are there, too.
    listed = ["", what.user, credential_name(what.credential), "", list(what.room) if what.room else None, 0.0]
    hub.current().publish(f"user.{what.user}", {"kind": "revoked", "user": what.user, "what": listed, "reason": what.reason})
