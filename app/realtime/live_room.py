"""A room in one process: its joined sockets, and the last seq delivered to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container, Mapping
from itertools import pairwise

from core.limits import LIMITS, Limits
from realtime.dialects.base import Dialect
from realtime.events import Head, LogEvent, RoomRef, encode
from realtime.local_users import LocalUser
from realtime.presence.room import RoomPresence
from realtime.send_queue import Batch, FrameWriter
from realtime.subscriber import Subscriber


class LiveRoom:
    __slots__ = (
        "caught_up_to", "empty_since", "joining", "last_seq", "limits", "opened", "pending", "presence", "ref", "sockets",
        "uncounted", "unread_at", "unread_due", "watchers",
    )  # fmt: skip

    def __init__(self, ref: RoomRef, limits: Limits = LIMITS) -> None:
        self.ref, self.limits = ref, limits
        # The highest seq delivered to local sockets; valid once `opened` is set.
        self.last_seq = 0
        # How many events up to `last_seq` do not count as unread.
        self.uncounted = 0
        self.opened = asyncio.Event()
        # Subscribers with their frame writers, in joining order: neighbours in memory, mostly, and so faster to visit.
        self.sockets: dict[type[Dialect], dict[Subscriber, FrameWriter | None]] = {}
        # Joined sockets that already hold later events than this room has delivered, with their last seq.
        self.caught_up_to: dict[Subscriber, int] = {}
        # Live events kept for sockets whose join is being read; None after more than limits.held_events.
        self.joining: dict[Subscriber, list[LogEvent] | None] = {}
        self.watchers: set[LocalUser] = set()
        self.pending: dict[int, LogEvent] = {}
        self.presence = RoomPresence()
        self.unread_due = False
        self.unread_at = 0.0
        self.empty_since: float | None = None

    @property
    def in_use(self) -> bool:
        return bool(self.watchers or self.joining or any(self.sockets.values()))

    @property
    def head(self) -> Head:
        return Head(self.last_seq, self.uncounted)

    def add(self, socket: Subscriber, head: int) -> None:
        """Add a socket that has everything up to `head`; later events are pushed to it."""
        self.sockets.setdefault(type(socket.dialect), {})[socket] = socket.send_queue.writer
        if head > self.last_seq:
            self.caught_up_to[socket] = head

    def released(self, socket: Subscriber) -> None:
        """Use the socket's new send queue: its handshake was answered."""
        self.sockets[type(socket.dialect)][socket] = socket.send_queue.writer

    def discard(self, socket: Subscriber) -> bool:
        """Remove the socket.

        Return whether it was joined.
        """
        members = self.sockets.get(type(socket.dialect), {})
        joined = socket in members
        members.pop(socket, None)
        self.caught_up_to.pop(socket, None)
        return joined

    def sequence(self, events: list[LogEvent]) -> list[LogEvent]:
        """Sort events and return the ones next in order.

        `pending` keeps the rest until the gap closes.
        """
        if not self.pending and events and events[0].seq == self.last_seq + 1 and _consecutive(events):
            self._delivered(events)
            return events
        for event in events:
            # An event that closes the gap is accepted even if `pending` is full.
            if event.seq == self.last_seq + 1 or (event.seq > self.last_seq and len(self.pending) < self.limits.held_events):
                self.pending[event.seq] = event
        ready = []
        following = self.last_seq + 1
        while event_ := self.pending.pop(following, None):
            ready.append(event_)
            following += 1
        if ready:
            self._delivered(ready)
        return ready

    def _delivered(self, events: list[LogEvent]) -> None:
        self.last_seq = events[-1].seq
        self.uncounted += sum(not event.counts for event in events)

    def skip_to(self, head: Head) -> None:
        """Skip events up to `head`: no socket had joined yet, or `gap` was sent."""
        if head.seq > self.last_seq:
            self.last_seq, self.uncounted = head
        self.pending = {seq: event for seq, event in self.pending.items() if seq > self.last_seq}

    def go_back(self, head: Head) -> None:
        """Go back to `head`.

        The log lost the later events, and their seqs will be used again.
        """
        self.last_seq, self.uncounted = head
        self.pending.clear()
        self.caught_up_to.clear()

    def deliver(self, events: list[LogEvent], people: Mapping[int, LocalUser]) -> tuple[int, list[Subscriber]]:
        """Send events to every joined socket.

        Return the number of deliveries and the sockets that are too slow.

        `people` maps ids to users with local sockets: their own events are sent per socket.
        """
        most = self.limits.held_events
        for socket, held in self.joining.items():
            if held is not None:
                self.joining[socket] = [*held, *events] if len(held) + len(events) <= most else None
        individual = self._split_caught_up(events)
        for author in {event.author for event in events} & people.keys():
            individual |= {socket: events for socket in people[author].sockets if socket not in individual}
        delivered, slow = self._push_individual(individual)
        for dialect, sockets in self.sockets.items():
            if not sockets:
                continue
            texts = [text for event in events if (text := dialect.encode(self.ref, event)) is not None]
            if texts:
                number, late = self._push_all(sockets, Batch(texts), individual)
                delivered += number * len(texts)
                slow += late
        return delivered, slow

    def _push_individual(self, individual: Mapping[Subscriber, list[LogEvent]]) -> tuple[int, list[Subscriber]]:
        """Send events per socket, where some are ahead or are the author's.

        Return as `deliver` does.
        """
        delivered, slow = 0, []
        same: dict[tuple[type[Dialect], int, int], Batch] = {}
        for socket, events in individual.items():
            dialect = type(socket.dialect)
            if socket in self.sockets.get(dialect, ()):
                seen = (dialect, socket.user.id, len(events))
                batch = same.get(seen) or same.setdefault(seen, batch_for(self.ref, socket, events))
                delivered += len(batch.texts)
                if batch.texts and not socket.send_queue.push(batch):
                    slow.append(socket)
        return delivered, slow

    def _push_all(
        self, sockets: Mapping[Subscriber, FrameWriter | None], batch: Batch, but_for: Container[Subscriber]
    ) -> tuple[int, list[Subscriber]]:
        """Write `batch` to each of `sockets`.

        Return the number of deliveries and the sockets that are too slow.

        This is the process's hottest loop. For a socket with a known writer it reads no attribute: with thousands of sockets each
        further object is a cache miss.
        """
        framed, most, number, slow = b"", self.limits.send_queue_bytes, 0, []
        for socket, writer in sockets.items():
            if socket in but_for:
                continue
            number += 1
            if writer is None:
                if not socket.send_queue.push(batch):
                    slow.append(socket)
            elif writer.write_frames(framed or (framed := batch.frame())) > most:
                slow.append(socket)
        return number, slow

    def _split_caught_up(self, events: list[LogEvent]) -> dict[Subscriber, list[LogEvent]]:
        late: dict[Subscriber, list[LogEvent]] = {}
        if not self.caught_up_to:
            return late
        for socket, head in list(self.caught_up_to.items()):
            late[socket] = [event for event in events if event.seq > head]
            if self.last_seq >= head:
                del self.caught_up_to[socket]
        return late

    def push_signal(self, frame: str, *, but_for: int | None = None, only: int | None = None) -> list[Subscriber]:
        """Send a frame without seq to the joined sockets whose dialect has signals.

        Return the slow ones.

        `but_for`: the person to leave out; `only`: the only person to send to.
        """
        batch = Batch([frame])
        return [
            socket
            for dialect, sockets in self.sockets.items()
            if dialect.signals
            for socket in sockets
            if socket.user.id != but_for and only in {None, socket.user.id} and not socket.send_queue.push(batch)
        ]

    def push_to(self, dialect: type[Dialect], batch: Batch) -> list[Subscriber]:
        """Send to the sockets of one dialect.

        Return the slow ones.
        """
        if not batch.texts:
            return []
        return [socket for socket in self.sockets.get(dialect, ()) if not socket.send_queue.push(batch)]

    def dialects_of(self, topic: str) -> list[type[Dialect]]:
        """Return the dialects here, other than native, that receive values of a topic."""
        return [dialect for dialect, sockets in self.sockets.items() if sockets and dialect.topic == topic]

    def hears_signals(self) -> bool:
        """Return whether a joined socket understands frames without seq."""
        return any(sockets for dialect, sockets in self.sockets.items() if dialect.signals)

    def others_hear(self, socket: Subscriber) -> bool:
        """Return whether another joined socket understands frames without seq."""
        return any(one is not socket for dialect, sockets in self.sockets.items() if dialect.signals for one in sockets)

    def send_unread(self) -> None:
        """Send watchers their unread counts, on sockets that have not joined the room."""
        self.unread_due, self.unread_at = False, time.monotonic()
        for local in self.watchers:
            local.push_unjoined(self.ref.slug, Batch([unread(self.ref, self.head, local)]))

    def mark_used(self) -> None:
        """Start or stop the timer that closes an unused room."""
        self.empty_since = None if self.in_use else (self.empty_since or time.monotonic())


def batch_for(room: RoomRef, socket: Subscriber, events: list[LogEvent]) -> Batch:
    """Encode events for this one socket."""
    dialect, user = type(socket.dialect), socket.user.id
    texts = (dialect.encode_own(room, event) if event.author == user else dialect.encode(room, event) for event in events)
    return Batch([text for text in texts if text is not None])


def gap(room: RoomRef, head: int) -> str:
    """Encode `gap`.

    The socket gets no more of the room until it joins again with `after`.
    """
    return encode({"type": "gap", "room": room.slug, "head": head})


def unread(room: RoomRef, head: Head, local: LocalUser) -> str:
    """Encode `unread` for a person; the log ends at `head`."""
    last_read_seq, count = local.last_read.get(room.id, 0), local.unread(room.id, head)
    fields = {"head": head.seq, "upto": last_read_seq, "count": count, "mentions": local.mentioned(room.id)}
    return encode({"type": "unread", "room": room.slug, **fields})


def _consecutive(events: list[LogEvent]) -> bool:
    return all(later.seq == earlier.seq + 1 for earlier, later in pairwise(events))
