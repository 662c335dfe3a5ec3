"""Parts of a room that sockets open, such as a note.

The sockets that have a part open get its numbered frames.
The feature stores each frame with a number, 1, 2, 3, … a part, before it pushes it here. A process that misses a number reads
the frame from the feature's table, at most 2 × POLL_EVERY_S after its commit, even after crashes and without Redis.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from core.errors import TooMany
from core.features import Part, installed
from db import database
from db.database import DatabaseUnavailable
from realtime.events import RoomRef, encode, folded
from realtime.layer.bus import Bus
from realtime.send_queue import Batch
from realtime.subscriber import Subscriber

POLL_EVERY_S = 1.5
# Numbers kept above a gap. Beyond it they are read again.
MAX_AHEAD = 1_000


class Numbered(NamedTuple):
    number: int
    frame: dict[str, Any]


class PartKey(NamedTuple):
    name: str
    room: int
    # Which part of that name in the room: for a note its seq.
    seq: int


class _OpenPart:
    """A part that sockets of this process have open."""

    def __init__(self, ref: RoomRef) -> None:
        self.ref = ref
        self.sockets: dict[Subscriber, None] = {}
        # Every frame up to this number was pushed here; None until the first opening has read the part.
        self.pushed: int | None = None
        self.ahead: set[int] = set()
        # The part's head at the last poll: what is missing up to it now was lost.
        self.head = 0

    def note(self, numbers: Iterable[int]) -> None:
        self.ahead.update(numbers)
        if self.pushed is None:
            return
        self.ahead = {number for number in self.ahead if number > self.pushed}
        while self.pushed + 1 in self.ahead:
            self.pushed += 1
            self.ahead.discard(self.pushed)
        if len(self.ahead) > MAX_AHEAD:
            self.ahead.clear()


class Parts:
    """One per hub."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._open: dict[PartKey, _OpenPart] = {}

    # --- opening and closing

    def open(self, socket: Subscriber, room: RoomRef, name: str, seq: int) -> None:
        """Push the part's frames to the socket from now on.

        Then read the part, and call `opened`.

        Raises TooMany when the socket has as many of that name open as it may.
        """
        key = PartKey(name, room.id, seq)
        mine: set[PartKey] = socket.state.setdefault("parts", set())
        if key not in mine and sum(one.name == name for one in mine) >= _part(name).per_socket:
            raise TooMany(f"a socket opens at most {_part(name).per_socket} parts of the kind {name}; close one first")
        mine.add(key)
        self._open.setdefault(key, _OpenPart(room)).sockets[socket] = None

    def opened(self, room: RoomRef, name: str, seq: int, number: int) -> None:
        """Note that a socket has read every frame up to `number`."""
        found = self._open.get(PartKey(name, room.id, seq))
        if found is not None and found.pushed is None:
            found.pushed = number
            found.note(())

    def is_open(self, socket: Subscriber, room: RoomRef, name: str, seq: int) -> bool:
        return PartKey(name, room.id, seq) in _of(socket)

    def room_of(self, socket: Subscriber, slug: str, name: str, seq: int) -> RoomRef | None:
        """Return the room of a part that the socket has open.

        A membership that ended has closed it.
        """
        wanted = folded(slug)
        for key in _of(socket):
            if (key.name, key.seq) == (name, seq) and self._open[key].ref.slug == wanted:
                return self._open[key].ref
        return None

    def close(self, socket: Subscriber, room: RoomRef, name: str, seq: int) -> None:
        self._close(socket, PartKey(name, room.id, seq))

    def closed(self, socket: Subscriber) -> None:
        """The socket has ended."""
        for key in list(_of(socket)):
            self._close(socket, key)

    def left(self, sockets: Iterable[Subscriber], room: int) -> None:
        """These sockets' person is no longer a member of the room."""
        for socket in sockets:
            for key in [one for one in _of(socket) if one.room == room]:
                self._close(socket, key)

    def _close(self, socket: Subscriber, key: PartKey) -> None:
        found = self._open.get(key)
        mine = _of(socket)
        if key not in mine or found is None:
            return
        mine.discard(key)
        found.sockets.pop(socket, None)
        if not found.sockets:
            del self._open[key]
        closed = _part(key.name).closed
        if closed is not None:
            closed(socket, found.ref, key.seq, not found.sockets)

    # --- pushing

    def push(
        self, room: RoomRef, name: str, seq: int, frames: Sequence[Numbered], *, but_for: Sequence[Subscriber | None] = ()
    ) -> None:
        """Push committed frames, here and on the other processes.

        `but_for`: a socket for each frame that does not need it.
        """
        key = PartKey(name, room.id, seq)
        texts = [encode(one.frame) for one in frames]
        numbers = [one.number for one in frames]
        self._deliver(key, numbers, texts, but_for)
        message = {"kind": "part", "name": name, "room": room.id, "seq": seq, "numbers": numbers, "frames": texts}
        self._bus.send(f"room.{room.id}", message)

    def on_message(self, message: dict[str, Any]) -> None:
        key = PartKey(message["name"], message["room"], message["seq"])
        self._deliver(key, message["numbers"], message["frames"])

    def signal(self, key: PartKey, text: str) -> None:
        """Push a frame without a number to this process's sockets."""
        found = self._open.get(key)
        if found is not None:
            batch = Batch([text])
            for socket in list(found.sockets):
                socket.push_batch(batch)

    def _deliver(self, key: PartKey, numbers: list[int], texts: list[str], but_for: Sequence[Subscriber | None] = ()) -> None:
        found = self._open.get(key)
        if found is None:
            return
        found.note(numbers)
        authors = {socket for socket in but_for if socket is not None}
        batch = Batch(texts)
        for socket in list(found.sockets):
            if socket in authors:
                rest = [text for text, author in zip(texts, but_for, strict=True) if author is not socket]
                socket.push_batch(Batch(rest))
            else:
                socket.push_batch(batch)

    # --- repair

    async def tick(self) -> None:
        """Read and push the frames that were lost on the way here."""
        await asyncio.sleep(POLL_EVERY_S * random.uniform(0.8, 1.0))  # noqa: S311
        names = {key.name for key in self._open}
        for name in names:
            with contextlib.suppress(DatabaseUnavailable):
                await self._repair(_part(name))

    async def _repair(self, part: Part) -> None:
        places = [(key.room, key.seq) for key, found in self._open.items() if key.name == part.name and found.pushed is not None]
        if not places:
            return
        heads = await database.run(part.heads, places)
        for place, head in heads.items():
            key = PartKey(part.name, *place)
            found = self._open.get(key)
            if found is None or found.pushed is None:
                continue
            lost, found.head = found.head, head
            if head < found.pushed:  # the database lost frames, and their numbers will be used again
                found.pushed = head
                found.ahead.clear()
            if found.pushed < lost:
                self._push_lost(key, found, await database.run(part.read, found.ref, key.seq, found.pushed))

    def _push_lost(self, key: PartKey, found: _OpenPart, frames: list[tuple[int, dict[str, Any]]]) -> None:
        if not frames or found.pushed is None or self._open.get(key) is not found:
            return
        first = frames[0][0]
        if first > found.pushed + 1:  # it stands for all before it
            found.pushed = first
        else:
            frames = [one for one in frames if one[0] not in found.ahead]
        self._deliver(key, [number for number, _ in frames], [encode(frame) for _, frame in frames])


def _of(socket: Subscriber) -> set[PartKey]:
    keys: set[PartKey] | None = socket.state.get("parts")
    return keys or set()


def _part(name: str) -> Part:
    return installed().parts[name]
