"""The live values of one topic in one room.

It knows which value is the newest, which is sent next and which is forgotten. No IO.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from core.errors import TooMany
from core.features import LiveTopic
from realtime.events import Person, RoomRef, encode

# How long an ended value, or a value of a topic without `keep_s`, is remembered: a late older one must not replace it.
FORGET_S = 60.0
# Pause of a topic between two sends: values of many keys share frames.
REST_S = 0.02
# Bounds of one frame, and of one message to the other processes.
MANY = 200
FRAME_CHARS = 65_536


class Value(NamedTuple):
    key: str
    # Whose it is.
    sender: Person
    # None: it has ended.
    value: Any
    # Seconds since 1970.
    at: float
    expires: float
    # The process that it came to; decides between two of the same moment.
    by: str

    def is_newer_than(self, other: Value) -> bool:
        return (self.at, self.by) > (other.at, other.by)

    def wire(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "from": {"id": self.sender.id, "name": self.sender.name},
            "value": self.value,
            "at": datetime.fromtimestamp(self.at, UTC),
            "expires": datetime.fromtimestamp(self.expires, UTC),
        }


class TopicValues:
    def __init__(self, ref: RoomRef, topic: LiveTopic) -> None:
        self.ref, self.topic = ref, topic
        self.values: dict[str, Value] = {}
        # Keys whose newest value came to this process.
        self.own: set[str] = set()
        # Keys with a value that was not sent yet, and when each key may be sent again (loop time).
        self.unsent: set[str] = set()
        self._next_at: dict[str, float] = {}
        self._rests_until = 0.0

    def accept(self, one: Value, *, own: bool) -> bool:
        """Take a value if it is the newest of its key.

        Return whether it has to be sent.

        Raises TooMany above the topic's number of keys.
        """
        known = self.values.get(one.key)
        if known is not None and not one.is_newer_than(known):
            return False
        self._make_room(known, one)
        self.values[one.key] = one
        (self.own.add if own else self.own.discard)(one.key)
        if own or one.value is not None or (known is not None and known.value is not None):
            self.unsent.add(one.key)
        return one.key in self.unsent

    def kept(self) -> list[Value]:
        """Return the values for a person who joins now."""
        now = time.time()
        return [one for one in self.values.values() if one.value is not None and one.expires > now] if self.topic.keep_s else []

    def own_values(self) -> list[Value]:
        return [self.values[key] for key in self.own]

    # --- sending, in loop time

    def due_at(self, key: str) -> float:
        return max(self._rests_until, self._next_at.get(key, 0.0))

    def next_due(self) -> float | None:
        return min(map(self.due_at, self.unsent), default=None)

    def take_due(self, now: float) -> list[Value]:
        """Return the newest value of each key that is due.

        The key's next value waits for 1 / `per_s`.
        """
        due = [key for key in self.unsent if self.due_at(key) <= now + 0.001]
        self.unsent.difference_update(due)
        self._next_at.update(dict.fromkeys(due, now + 1 / self.topic.per_s))
        self._rests_until = now + REST_S
        return [self.values[key] for key in due]

    # --- forgetting

    def forget(self, now: float) -> list[str]:
        """Drop expired values that were sent; `now` in loop time.

        Return the keys.
        """
        wall = time.time()
        gone = [key for key, one in self.values.items() if one.expires <= wall and key not in self.unsent]
        for key in gone:
            self._drop(key)
        for key in [key for key, at in self._next_at.items() if at <= now and key not in self.values]:
            del self._next_at[key]
        return gone

    def _make_room(self, known: Value | None, one: Value) -> None:
        most = self.topic.keys
        if one.value is not None and (known is None or known.value is None) and len(self.values) >= most:
            wall = time.time()
            living = [each for each in self.values.values() if each.value is not None and each.expires > wall]
            if len(living) >= most:
                self._drop_oldest(
                    living if not self.topic.keep_s else [], TooMany(f"a room has {most} values of {self.topic.name}")
                )
        if known is None and len(self.values) >= 2 * most:
            self._drop_oldest((each for each in self.values.values() if each.value is None), None)

    def _drop_oldest(self, among: Iterable[Value], refusal: TooMany | None) -> None:
        oldest = min((one for one in among if one.key not in self.unsent), key=lambda one: one.at, default=None)
        if oldest is not None:
            self._drop(oldest.key)
        elif refusal is not None:
            raise refusal

    def _drop(self, key: str) -> None:
        del self.values[key]
        self.own.discard(key)


def frames(found: TopicValues, values: list[Value]) -> Iterator[str]:
    """Encode values as frames of the wire."""
    topic = found.topic
    if topic.frame is not None:
        for one in values:
            yield encode(topic.frame(found.ref.slug, one.key, one.wire()["from"], one.value))
        return
    head = f'{{"type":"live","room":{encode(found.ref.slug)},"topic":{encode(topic.name)},"values":['
    for part in parts(values):
        yield f"{head}{','.join(encode(one.wire()) for one in part)}]}}"


def parts(values: list[Value]) -> Iterator[list[Value]]:
    """Split values so that each part fits into one frame."""
    part: list[Value] = []
    size = 0
    for one in values:
        length = len(encode(one.value)) + 200
        if part and (size + length > FRAME_CHARS or len(part) >= MANY):
            yield part
            part, size = [], 0
        part.append(one)
        size += length
    if part:
        yield part


def value_from(fields: list[Any]) -> Value:
    """Return the value in a message of another process."""
    key, sender, value, at, expires, by = fields
    return Value(key, Person(*sender), value, at, expires, by)
