"""Live values: positions, cursors, readings, who is typing. The newest value of each (room, topic, key) wins; there is no log.

A socket is sent at most `per_s` values of a key a second, and always the last one. Values of a topic with `keep_s` are kept in
Redis for those who join later, on any process; in the embedded run, in the process. What the layer or Redis lost meanwhile
is sent and stored again by the process that the value came to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from core.errors import TooMany
from core.features import LiveTopic, installed
from realtime.events import Person, RoomRef, encode
from realtime.live_store import LiveStore, store_for
from realtime.send_queue import Batch

if TYPE_CHECKING:
    from realtime.hub import Hub
    from realtime.live_room import LiveRoom
    from realtime.socket import Socket

# How long a value of a topic without `keep_s` is newer than a late one, and how long an ended one is.
FORGET_S = 60.0
SWEEP_EVERY_S = 5.0
# Values in one frame, or in one message to the other processes.
MANY = 200


class Value(NamedTuple):
    key: str
    # Whose it is: (id, name).
    sender: tuple[int, str]
    # None: it has ended.
    value: Any
    # Seconds since 1970.
    at: float
    expires: float

    def wire(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "from": {"id": self.sender[0], "name": self.sender[1]},
            "value": self.value,
            "at": _time(self.at),
            "expires": _time(self.expires),
        }


class _Topic:
    """The values of one topic in one room."""

    def __init__(self, ref: RoomRef, topic: LiveTopic) -> None:
        self.ref, self.topic = ref, topic
        self.values: dict[str, Value] = {}
        # Keys whose newest value came to this process.
        self.own: set[str] = set()
        # Keys with a value that was not sent yet, and when each key may be sent again (loop time).
        self.unsent: set[str] = set()
        self.next_at: dict[str, float] = {}
        self.timer: asyncio.TimerHandle | None = None

    def kept(self) -> list[Value]:
        """Return what somebody who joins now is sent."""
        now = time.time()
        return [one for one in self.values.values() if one.value is not None and one.expires > now] if self.topic.keep_s else []


class LiveValues:
    """One per hub."""

    def __init__(self, hub: Hub, store: LiveStore | None = None) -> None:
        self._hub = hub
        self._store = store or store_for(hub.spawn)
        self._rooms: dict[int, dict[str, _Topic]] = {}
        # Rooms whose kept values were read from the store.
        self._read: set[int] = set()

    # --- from this process's clients

    def publish(self, room: RoomRef, topic: str, key: str, value: Any, *, sender: Person, keep_s: float | None = None) -> None:
        """Set the value of a key. Raises TooMany when the room holds as many keys of the topic as it may."""
        found = self._topic(room, installed().topics[topic])
        known = found.values.get(key)
        if known is None and len(found.values) >= found.topic.keys:
            self._forget(found)
            if len(found.values) >= found.topic.keys:
                raise TooMany(f"a room holds {found.topic.keys} values of {topic}")
        at = max(time.time(), known.at + 0.001 if known else 0.0)
        lasts = FORGET_S if value is None else keep_s or found.topic.keep_s or FORGET_S
        found.values[key] = Value(key, (sender.id, sender.name), value, at, at + lasts)
        found.own.add(key)
        self._changed(found, key)

    def values_of(self, room: int, topic: str) -> dict[str, Value]:
        """Return the values of a topic that this process knows, by key, ended ones not among them."""
        found = self._rooms.get(room, {}).get(topic)
        return {one.key: one for one in found.kept()} if found else {}

    # --- from the other processes

    def on_message(self, message: dict[str, Any]) -> None:
        topic = installed().topics.get(message["topic"])
        if topic is not None:  # a process of another release may have more
            self._arrived(RoomRef(*message["room"]), topic, (_value(one) for one in message["values"]))

    def _arrived(self, room: RoomRef, topic: LiveTopic, values: Iterable[Value]) -> None:
        if room.id not in self._hub.rooms:
            return
        found = self._topic(room, topic)
        for one in values:
            known = found.values.get(one.key)
            if known is not None and (known.at, str(known.value)) >= (one.at, str(one.value)):
                continue
            if known is None and len(found.values) >= topic.keys:
                self._forget(found)
                if len(found.values) >= topic.keys:
                    continue
            found.values[one.key] = one
            found.own.discard(one.key)
            self._changed(found, one.key)

    # --- sending

    def _changed(self, found: _Topic, key: str) -> None:
        found.unsent.add(key)
        loop = asyncio.get_running_loop()
        due = max(loop.time(), found.next_at.get(key, 0.0))
        if found.timer is None or found.timer.when() > due:
            if found.timer is not None:
                found.timer.cancel()
            found.timer = loop.call_at(due, self._send, found)

    def _send(self, found: _Topic) -> None:
        """Send the values whose time has come, and set the timer for the rest."""
        loop = asyncio.get_running_loop()
        now, pause = loop.time(), 1 / found.topic.per_s
        due = [key for key in found.unsent if found.next_at.get(key, 0.0) <= now + 0.001]
        found.unsent.difference_update(due)
        found.next_at.update(dict.fromkeys(due, now + pause))
        values = [found.values[key] for key in due if key in found.values]
        self._to_sockets(found, values)
        self._to_others(found, [one for one in values if one.key in found.own])
        following = min((found.next_at.get(key, 0.0) for key in found.unsent), default=None)
        found.timer = None if following is None else loop.call_at(following, self._send, found)

    def _to_sockets(self, found: _Topic, values: list[Value]) -> None:
        room = self._hub.rooms.get(found.ref.id)
        if room is None or not room.hears_signals():
            return
        topic = found.topic
        if topic.frame is not None or not topic.to_sender:
            for one in values:
                but_for = None if topic.to_sender else one.sender[0]
                self._hub.close_slow(room.push_signal(_frame(found, [one]), but_for=but_for))
            return
        for start in range(0, len(values), MANY):
            self._hub.close_slow(room.push_signal(_frame(found, values[start : start + MANY])))

    def _to_others(self, found: _Topic, values: list[Value]) -> None:
        for start in range(0, len(values), MANY):
            part = values[start : start + MANY]
            message = {"kind": "live", "room": list(found.ref), "topic": found.topic.name, "values": [list(one) for one in part]}
            self._hub.bus.send(f"room.{found.ref.id}", message)
        if found.topic.keep_s:
            for one in values:
                self._store.put(found.ref.id, found.topic.name, one.key, None if one.value is None else list(one), one.expires)

    # --- those who join, and what was lost

    def joined(self, socket: Socket, room: LiveRoom) -> None:
        """Send a socket that has just joined what is kept; read what other processes have stored, once."""
        for found in self._rooms.get(room.ref.id, {}).values():
            kept = found.kept()
            for start in range(0, len(kept), MANY):
                socket.push_batch(Batch([_frame(found, kept[start : start + MANY])]))
        if room.ref.id not in self._read and any(topic.keep_s for topic in installed().topics.values()):
            self._read.add(room.ref.id)
            self._hub.spawn(self._read_stored([room.ref]))

    async def _read_stored(self, rooms: list[RoomRef]) -> None:
        found = await self._store.read([room.id for room in rooms])
        for room in rooms:
            for name, values in found.get(room.id, {}).items():
                topic = installed().topics.get(name)
                if topic is not None:
                    now = time.time()
                    self._arrived(room, topic, (one for one in map(_value, values) if one.expires > now))

    def restored(self) -> None:
        """The layer may have lost messages, and Redis what was stored: send own values again and read the others'."""
        for topics in self._rooms.values():
            for found in topics.values():
                self._to_others(found, [found.values[key] for key in found.own if key in found.values])
        rooms = [self._hub.rooms[room].ref for room in self._read if room in self._hub.rooms]
        if rooms:
            self._hub.spawn(self._read_stored(rooms))

    def closed(self, room: int) -> None:
        """No socket here uses the room any more."""
        self._read.discard(room)

    # --- upkeep

    async def tick(self) -> None:
        """Forget what has expired."""
        await asyncio.sleep(SWEEP_EVERY_S)
        for room, topics in list(self._rooms.items()):
            for name, found in list(topics.items()):
                self._forget(found)
                if not found.values and found.timer is None:
                    del topics[name]
            if not topics:
                del self._rooms[room]

    async def stop(self) -> None:
        await self._store.close()

    @staticmethod
    def _forget(found: _Topic) -> None:
        now, loop_now = time.time(), asyncio.get_running_loop().time()
        for key in [key for key, one in found.values.items() if one.expires <= now and key not in found.unsent]:
            del found.values[key]
            found.own.discard(key)
        for key in [key for key, at in found.next_at.items() if at <= loop_now and key not in found.values]:
            del found.next_at[key]

    def _topic(self, room: RoomRef, topic: LiveTopic) -> _Topic:
        topics = self._rooms.setdefault(room.id, {})
        return topics.get(topic.name) or topics.setdefault(topic.name, _Topic(room, topic))


def publish(room: RoomRef, topic: str, key: str, value: Any, *, sender: Person, keep_s: float | None = None) -> None:
    """Set a live value; everybody in the room is sent it. Raises TooMany. Call on the event loop.

    `key`: which value of the topic, at most 64 characters. `value`: anything JSON. `keep_s`: how long it is valid, if not as
    long as the topic says.
    """
    _hub().live.publish(room, topic, key, value, sender=sender, keep_s=keep_s)


def end(room: RoomRef, topic: str, key: str, *, sender: Person) -> None:
    """End a live value: it is gone from every store, and every client is told (`value` is null)."""
    _hub().live.publish(room, topic, key, None, sender=sender)


def values(room: RoomRef, topic: str) -> dict[str, Value]:
    """Return the values of a topic that this process knows. Those of a room without sockets here are in the store only."""
    return _hub().live.values_of(room.id, topic)


def _hub() -> Hub:
    from realtime import hub  # noqa: PLC0415  # the hub holds the live values

    return hub.current()


def _frame(found: _Topic, values: list[Value]) -> str:
    if found.topic.frame is not None:
        (one,) = values
        return encode(found.topic.frame(found.ref.slug, one.key, one.wire()["from"], one.value))
    return encode({"type": "live", "room": found.ref.slug, "topic": found.topic.name, "values": [one.wire() for one in values]})


def _value(fields: list[Any]) -> Value:
    key, sender, value, at, expires = fields
    return Value(key, (sender[0], sender[1]), value, at, expires)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
