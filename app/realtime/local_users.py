"""A person in one process: their local sockets and the rooms whose news they get."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Container, Iterable

from django.conf import settings

from core.limits import Bucket
from realtime.events import Head, Person, RoomRef
from realtime.send_queue import Batch
from realtime.subscriber import Subscriber

# People without a socket here whose used-up limits are kept.
MOST_SPENT = 10_000
# Least time between two readings of a person's memberships.
ROOMS_READ_EVERY_S = 1.0


class LocalUser:
    __slots__ = (
        "announced",
        "away",
        "beyond",
        "bucket",
        "frame_limiter",
        "last_read",
        "left_meanwhile",
        "mentions",
        "person",
        "rooms",
        "rooms_read_at",
        "sockets",
        "uncounted",
    )

    def __init__(self, person: Person) -> None:
        self.person = person
        self.sockets: set[Subscriber] = set()
        # Read mark per room (by id) of the person's memberships.
        self.last_read: dict[int, int] = {}
        # The same rooms by slug.
        self.rooms: dict[str, RoomRef] = {}
        # How many events up to the read mark do not count as unread, of rooms that have any.
        self.uncounted: dict[int, int] | None = None
        # Unread messages that name the person, by room, of rooms that have any.
        self.mentions: dict[int, set[int]] | None = None
        # Rooms joined on a socket but not in `rooms`, by id: usually none.
        self.beyond: set[int] | None = None
        # When the memberships were last begun to be read, of time.monotonic.
        self.rooms_read_at = -math.inf
        # Rooms left while the memberships are being read, by id; None at all other times.
        self.left_meanwhile: set[int] | None = None
        # Whether the person is away on all local sockets.
        self.away = False
        # Whether the person was announced as online to the other processes.
        self.announced = False
        rate = settings.LIMIT_MESSAGES_PER_S
        self.bucket = Bucket(rate, rate)
        # Of all local sockets together: as a socket's own, with enough saved up for two that join all their rooms again.
        self.frame_limiter = Bucket(rate and 5 * rate + 50, 2 * (10 * rate + 200))

    def push_unjoined(self, slug: str, batch: Batch, *, but_for: Subscriber | None = None) -> None:
        """Send a room's frame to unjoined sockets whose dialect has signals."""
        for socket in self.sockets:
            if socket is not but_for and type(socket.dialect).signals and slug not in socket.rooms:
                socket.push_batch(batch)

    def push(self, batch: Batch) -> None:
        """Send to all sockets whose dialect has signals."""
        for socket in self.sockets:
            if type(socket.dialect).signals:
                socket.push_batch(batch)

    def add_room(self, ref: RoomRef, last_read: int, uncounted: int) -> None:
        """Add a room that the person is a member of, with its read mark."""
        self.mark_read(ref.id, last_read, uncounted)
        self.rooms[ref.slug] = ref

    def mark_read(self, room_id: int, last_read: int, uncounted: int) -> None:
        """Move the read mark of a room, never back."""
        if last_read < self.last_read.get(room_id, 0):
            return
        self.last_read[room_id] = last_read
        self.forget_mentions(room_id, range(last_read + 1))
        if uncounted:
            self.uncounted = {**(self.uncounted or {}), room_id: uncounted}
        elif self.uncounted is not None:
            self._forget_uncounted(room_id)

    def forget_room(self, ref: RoomRef) -> None:
        """Forget a room that the person is no longer a member of."""
        if self.left_meanwhile is not None:
            self.left_meanwhile.add(ref.id)
        self.last_read.pop(ref.id, None)
        if self.mentions is not None:
            self.mentions.pop(ref.id, None)
        self._forget_uncounted(ref.id)
        self.rooms.pop(ref.slug, None)

    def _forget_uncounted(self, room_id: int) -> None:
        if self.uncounted is not None:
            self.uncounted.pop(room_id, None)
            self.uncounted = self.uncounted or None

    def add_mentions(self, room_id: int, seqs: Iterable[int]) -> None:
        """Note messages that name the person."""
        read = self.last_read.get(room_id, 0)
        new = {seq for seq in seqs if seq > read}
        if new:
            self.mentions = self.mentions or {}
            self.mentions.setdefault(room_id, set()).update(new)

    def forget_mentions(self, room_id: int, seqs: Container[int]) -> None:
        """Forget messages that were read or deleted."""
        if self.mentions is not None and room_id in self.mentions:
            left = {seq for seq in self.mentions.pop(room_id) if seq not in seqs}
            if left:
                self.mentions[room_id] = left
            self.mentions = self.mentions or None

    def mentioned(self, room_id: int) -> int:
        """Count the unread messages of a room that name the person."""
        return len((self.mentions or {}).get(room_id, ()))

    def unread(self, room_id: int, head: Head) -> int:
        """Count the unread events of a room."""
        read = self.last_read.get(room_id, 0) - (self.uncounted or {}).get(room_id, 0)
        return max(0, head.seq - head.uncounted - read)

    def room_ids(self) -> set[int]:
        """Return the rooms in which the person is online."""
        return self.last_read.keys() | (self.beyond or ())

    def forget_watched(self) -> None:
        """Drop rooms from `beyond` that are in `rooms` now: saves an idle person's set."""
        if self.beyond is not None:
            self.beyond = self.beyond - self.last_read.keys() or None

    def is_in(self, room_id: int) -> bool:
        return room_id in self.last_read or (self.beyond is not None and room_id in self.beyond)


class Spent:
    """Limits of people whose last socket here has closed: a new one renews none."""

    def __init__(self) -> None:
        self._of: OrderedDict[int, tuple[Bucket, Bucket, float]] = OrderedDict()

    def keep(self, local: LocalUser) -> None:
        buckets = local.bucket, local.frame_limiter
        if all(bucket.is_full() for bucket in buckets) and local.rooms_read_at < time.monotonic() - ROOMS_READ_EVERY_S:
            return
        self._of[local.person.id] = *buckets, local.rooms_read_at
        if len(self._of) > MOST_SPENT:
            self._of.popitem(last=False)

    def give_back(self, local: LocalUser) -> None:
        if (kept := self._of.pop(local.person.id, None)) is not None:
            local.bucket, local.frame_limiter, local.rooms_read_at = kept
