"""The rooms that this process serves, and the people who have sockets here.

The registry also writes frames to their sockets. No I/O and no tasks: writing to a send queue never waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from core import metrics
from core.errors import Close
from realtime.events import LogEvent, RoomRef
from realtime.listeners import Listeners
from realtime.live_room import LiveRoom
from realtime.local_users import LocalUser
from realtime.mentions import note_mentions
from realtime.subscriber import Subscriber

# A room's unread counts are sent at most once in this time.
UNREAD_EVERY_S = 1.0


class Registry:
    def __init__(self, listeners: Listeners | None = None) -> None:
        # By id.
        self.rooms: dict[int, LiveRoom] = {}
        self.people: dict[int, LocalUser] = {}
        self.listeners = listeners or Listeners()
        # Rooms whose unread counts are still to be sent. A process may serve tens of thousands of quiet rooms.
        self.dirty: set[LiveRoom] = set()
        # Rooms (by id) whose membership ended while the dialect of a socket was opening its rooms.
        self.ended: dict[Subscriber, set[int]] = {}

    # --- sockets

    def sockets(self) -> list[Subscriber]:
        """Return all registered sockets."""
        return [socket for local in self.people.values() for socket in local.sockets]

    def attach(self, socket: Subscriber, room: LiveRoom, head: int) -> None:
        """Push events above `head` to the socket from now on."""
        socket.rooms[room.ref.slug] = room
        room.add(socket, head)
        room.mark_used()

    def detach(self, socket: Subscriber, room: LiveRoom) -> bool:
        """Stop pushing the room's events.

        Return whether the socket was joined.
        """
        socket.rooms.pop(room.ref.slug, None)
        joined = room.discard(socket)
        if joined:
            room.mark_used()
        return joined

    @staticmethod
    def close_slow(sockets: Iterable[Subscriber]) -> None:
        """Close sockets whose send queue holds too much, or for too long."""
        for socket in sockets:
            socket.close_soon(Close.TOO_SLOW, "reads too slowly; resume")

    # --- events

    def deliver(self, room: LiveRoom, events: list[LogEvent]) -> None:
        """Deliver events that are next in the room's order to its sockets."""
        if not events:
            return
        delivered, slow = room.deliver(events, self.people)
        metrics.DELIVERED.add(delivered)
        self.close_slow(slow)
        if room.watchers:
            note_mentions(room, events, self.people)
            self.note_unread(room)
            self.listeners.watched(room.ref, events, room.watchers)
        self.listeners.delivered(room.ref, events)

    def deliver_unserved(self, room: RoomRef, events: Sequence[LogEvent]) -> None:
        """Let features hear of a commit of this process in a room that it does not serve."""
        self.listeners.delivered(room, events)

    def note_unread(self, room: LiveRoom) -> None:
        """Send the room's unread counts, at once if it was quiet.

        Otherwise housekeeping sends them.
        """
        room.unread_due = True
        if time.monotonic() - room.unread_at >= UNREAD_EVERY_S:
            room.send_unread()
        else:
            self.dirty.add(room)
