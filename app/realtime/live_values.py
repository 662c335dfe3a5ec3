"""Live values: positions, cursors, readings, who is typing.

The newest value of each (room, topic, key) wins; there is no log.

A socket is sent at most `per_s` values of a key a second, and always the last one. Values of a topic with `keep_s` are kept in
Redis for those who join later, on any process; in the embedded run, in the process. What the layer or Redis lost meanwhile
is sent and stored again by the processes that know it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog

from core import metrics
from core.errors import TooLong, TooMany
from core.features import LiveTopic, installed
from realtime.dialects.base import Dialect
from realtime.events import Person, RoomRef, encode
from realtime.layer.bus import Bus
from realtime.live_room import LiveRoom
from realtime.live_store import LiveStore, store_for
from realtime.live_topic import FORGET_S, TopicValues, Value, frames, parts, value_from
from realtime.open_parts import PartKey, Parts
from realtime.registry import Registry
from realtime.send_queue import Batch
from realtime.subscriber import Subscriber

logger = structlog.get_logger(__name__)

SWEEP_EVERY_S = 5.0
# The longest value, in characters of JSON, and the longest key.
VALUE_CHARS = 16_384
KEY_CHARS = 64
# Pauses before each round of repairs after an outage. Processes reconnect apart: what one sends in its first round may come
# before another has subscribed.
RESTORE_S = (0.0, 1.5)
ROOMS_A_READ = 100
READ_AGAIN_S = (0.3, 1.0)


class LiveValues:
    """One per hub."""

    def __init__(
        self,
        registry: Registry,
        bus: Bus,
        parts: Parts,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        store: LiveStore | None = None,
    ) -> None:
        self._registry, self._bus, self._parts, self._spawn = registry, bus, parts, spawn
        self._store = store or store_for(spawn)
        self._rooms: dict[int, dict[str, TopicValues]] = {}
        # Each with its loop time: uvloop's handle of a timer that is due at once does not know it.
        self._timers: dict[TopicValues, tuple[asyncio.Handle, float]] = {}
        # Rooms whose kept values were read from the store, or will be.
        self._read: set[int] = set()
        self._to_read: dict[int, RoomRef] = {}
        self._reader: asyncio.Task[None] | None = None
        self._restorer: asyncio.Task[None] | None = None

    # --- from this process's clients

    def publish(self, room: RoomRef, topic: str, key: str, value: Any, *, sender: Person, keep_s: float | None = None) -> None:
        """Set the value of a key; None ends it.

        Raises TooMany, or TooLong.
        """
        if not 0 < len(key) <= KEY_CHARS:
            raise ValueError(f"the key of a live value has 1 to {KEY_CHARS} characters: {key[:80]!r}")
        if len(encode(value)) > VALUE_CHARS:
            raise TooLong(f"a value of {topic} has at most {VALUE_CHARS} characters")
        if topic not in installed().topics:  # its feature is switched off
            return
        found = self._topic(room, installed().topics[topic])
        known = found.values.get(key)
        if value is None and known is not None and known.value is None:  # another process may end it at the same moment
            return
        at = max(time.time(), known.at + 0.001 if known else 0.0)
        expires = at + (keep_s or found.topic.keep_s or FORGET_S)
        if value is None:  # remembered as long as any process may still hold the ended value
            expires = max(at + FORGET_S, expires, known.expires if known else 0.0)
        found.accept(Value(key, sender, value, at, expires, self._bus.origin), own=True)
        metrics.LIVE.add(1, topic, "published")
        self._send_soon(found, key)

    def values_of(self, room: int, topic: str) -> dict[str, Value]:
        """Return the values of a topic that this process knows, by key.

        Values that have ended are left out.
        """
        found = self._rooms.get(room, {}).get(topic)
        return {one.key: one for one in found.kept()} if found else {}

    def is_keeping(self, room: int) -> bool:
        """Return whether this process published a kept value in the room.

        Such a room stays subscribed, so that the process hears of a newer value.
        """
        return any(found.topic.keep_s and found.own for found in self._rooms.get(room, {}).values())

    # --- from the other processes

    def on_message(self, message: dict[str, Any]) -> None:
        topic = installed().topics.get(message["topic"])
        if topic is not None:  # a process of another release may have more
            self._arrived(RoomRef(*message["room"]), topic, map(value_from, message["values"]))

    def _arrived(self, room: RoomRef, topic: LiveTopic, values: Iterable[Value]) -> None:
        if room.id not in self._registry.rooms:
            return
        found = self._topic(room, topic)
        for one in values:
            try:
                is_new = found.accept(one, own=False)
            except TooMany:  # it was refused where it came from, or will not be shown here
                continue
            if is_new:
                self._store.drop(room.id, topic.name, one.key)  # what this process has stored is older
                self._send_soon(found, one.key)

    # --- sending

    def _send_soon(self, found: TopicValues, key: str) -> None:
        loop = asyncio.get_running_loop()
        self._set_timer(found, max(loop.time(), found.due_at(key)))

    def _set_timer(self, found: TopicValues, due: float) -> None:
        timer, at = self._timers.get(found, (None, 0.0))
        if timer is not None and at <= due:
            return
        if timer is not None:
            timer.cancel()
        self._timers[found] = asyncio.get_running_loop().call_at(due, self._send, found), due

    def _send(self, found: TopicValues) -> None:
        """Send the values whose time has come, and set the timer for the others."""
        self._timers.pop(found, None)
        values = found.take_due(asyncio.get_running_loop().time())
        own = [one for one in values if one.key in found.own]
        for send, some in ((self._to_sockets, values), (self._to_others, own), (self._to_store, own)):
            try:
                send(found, some)
            except Exception:  # later values need the timer
                metrics.HANDLER_FAILURES.labels("live").inc()
                logger.exception("live values could not be sent", room=found.ref.slug, topic=found.topic.name)
        following = found.next_due()
        if following is not None:
            self._set_timer(found, following)

    def _to_sockets(self, found: TopicValues, values: list[Value]) -> None:
        room = self._registry.rooms.get(found.ref.id)
        if found.topic.part is not None:
            self._to_parts(found, values, found.topic.part)
            return
        if room is None:
            return
        for dialect in room.dialects_of(found.topic.name):
            self._registry.close_slow(room.push_to(dialect, _for_dialect(dialect, values)))
        if not room.hears_signals():
            return
        metrics.LIVE.add(len(values), found.topic.name, "sent")
        for part, but_for in ((values, None),) if found.topic.to_sender else (([one], one.sender.id) for one in values):
            for text in frames(found, part):
                self._registry.close_slow(room.push_signal(text, but_for=but_for))

    def _to_parts(self, found: TopicValues, values: list[Value], part_of: Callable[[str], tuple[str, int]]) -> None:
        """Send each value to the sockets that have its part of the room open."""
        for one in values:
            name, seq = part_of(one.key)
            for text in frames(found, [one]):
                self._parts.signal(PartKey(name, found.ref.id, seq), text)

    def _to_others(self, found: TopicValues, values: list[Value]) -> None:
        for part in parts(values):
            message = {"kind": "live", "room": list(found.ref), "topic": found.topic.name, "values": [list(one) for one in part]}
            self._bus.send(f"room.{found.ref.id}", message)

    def _to_store(self, found: TopicValues, values: list[Value]) -> None:
        if found.topic.keep_s:
            for one in values:
                self._store.put(found.ref.id, found.topic.name, one)

    # --- joins, and repairs

    def joined(self, socket: Subscriber, room: LiveRoom) -> None:
        """Send the kept values to a socket that has just joined.

        The first join of a room also reads the values that other processes have stored.
        """
        for found in self._rooms.get(room.ref.id, {}).values():
            if found.topic.name not in installed().topics:
                continue
            kept = [one for one in found.kept() if found.topic.to_sender or one.sender.id != socket.user.id]
            dialect = type(socket.dialect)
            if kept and dialect.signals:
                socket.push_batch(Batch(list(frames(found, kept))))
            elif kept and dialect.topic == found.topic.name:
                socket.push_batch(_for_dialect(dialect, kept))
        if room.ref.id not in self._read and any(topic.keep_s for topic in installed().topics.values()):
            self._read.add(room.ref.id)
            self._read_soon([room.ref])

    def _read_soon(self, rooms: Iterable[RoomRef]) -> None:
        self._to_read.update((room.id, room) for room in rooms)
        if self._to_read and (self._reader is None or self._reader.done()):
            self._reader = self._spawn(self._read_stored())

    async def _read_stored(self) -> None:
        """Read rooms from the store until none is left.

        While the store does not answer, try again.
        """
        late: dict[int, RoomRef] = {}
        while self._to_read:
            part = dict(list(self._to_read.items())[:ROOMS_A_READ])
            found = await self._store.read(list(part))
            if found is None:
                late.update(self._to_read)  # a value may come between the read that succeeds and this process's subscription
                await asyncio.sleep(random.uniform(*READ_AGAIN_S))  # noqa: S311
                continue
            for room in part:
                self._to_read.pop(room, None)
            for room, topic_name, value in found:
                if (topic := installed().topics.get(topic_name)) is not None:
                    self._arrived(part[room], topic, [value])
            if not self._to_read and late:
                await asyncio.sleep(RESTORE_S[1])
                self._to_read, late = {room: ref for room, ref in late.items() if room in self._read}, {}

    def restored(self) -> None:
        """Repair losses of the layer or Redis.

        It sends own values again, stores all values, and reads those of other processes.
        """
        if self._restorer is not None:
            self._restorer.cancel()
        self._restorer = self._spawn(self._restore())

    async def _restore(self) -> None:
        for pause in RESTORE_S:
            await asyncio.sleep(pause)
            for found in [found for topics in self._rooms.values() for found in topics.values() if found.topic.keep_s]:
                self._to_others(found, found.own_values())
                # Values of other processes, too: those may have ended since.
                self._to_store(found, list(found.values.values()))
                await asyncio.sleep(0)
            self._read_soon(self._registry.rooms[room].ref for room in self._read if room in self._registry.rooms)

    def closed(self, room: int) -> None:
        """Forget a room that no socket here uses any more."""
        self._read.discard(room)
        self._to_read.pop(room, None)
        for found in self._rooms.pop(room, {}).values():
            self._cancel_timer(found)

    # --- upkeep

    async def tick(self) -> None:
        """Forget expired values."""
        await asyncio.sleep(SWEEP_EVERY_S)
        now = asyncio.get_running_loop().time()
        for room, topics in list(self._rooms.items()):
            for name, found in list(topics.items()):
                for key in found.forget(now):
                    self._store.drop(room, name, key)
                if not found.values:
                    del topics[name]
            if not topics:
                del self._rooms[room]

    async def stop(self) -> None:
        """Send and store the due values, within a limit."""
        for topics in self._rooms.values():
            for found in topics.values():
                self._cancel_timer(found)
                own = [found.values[key] for key in found.unsent & found.own]
                self._to_others(found, own)
                self._to_store(found, own)
        await self._store.close()

    def _cancel_timer(self, found: TopicValues) -> None:
        if (timer := self._timers.pop(found, None)) is not None:
            timer[0].cancel()

    def _topic(self, room: RoomRef, topic: LiveTopic) -> TopicValues:
        topics = self._rooms.setdefault(room.id, {})
        return topics.get(topic.name) or topics.setdefault(topic.name, TopicValues(room, topic))


def _for_dialect(dialect: type[Dialect], values: list[Value]) -> Batch:
    return Batch([text for one in values if (text := dialect.encode_value(one.key, one.sender, one.value)) is not None])
