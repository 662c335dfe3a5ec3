"""Send the frame `notify` to people of this process, from events it delivers.

Each process decides for its own sockets, so nothing is sent between processes. If a process finds an event in the log because
another one died, it notifies people as it does for any other event. At a commit an event is only looked at: whether the room
is direct, a person has it at `all`, or the event names a person. The rest happens in a task of its own.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import structlog

from chat.publish import summary_of
from core.limits import Buckets
from core.per_loop import PerLoop
from db import database
from features.notifications import reads
from features.notifications.frames import MOST_TEXT
from features.notifications.metrics import NOTIFIED
from features.notifications.quiet import is_quiet
from features.notifications.reads import PersonRead, RoomRead
from features.notifications.table import Fact, Reason, Way, level_of, reason_for, tells
from realtime.publish import Batch, LocalUser, LogEvent, RoomRef, encode, local_user

logger = structlog.get_logger(__name__)
T = TypeVar("T")

# Lifetime of cached reads of a room and of a person. A change reaches the person's own processes at once.
FRESH_S = 3.0
ROOMS, PEOPLE = 50_000, 50_000
# Events that wait for the database; the oldest are dropped above it.
QUEUE = 10_000
MANY = 200
# Events that come within it share the look-ups.
PACE_S = 0.02
# `notify` frames of one person: a page can show no more.
PER_S, BURST = 5.0, 20.0
# Sockets written to before the event loop runs other tasks.
SLICE = 200
# As encoded; in a text the quotation marks are escaped. A program's message does not count as its author's own.
NAMES = '"mentions":['
BOT = '"bot":true'
# The id that stands for everybody in the room (chat/mentions.py).
EVERYBODY = 0


class _Waiting(NamedTuple):
    room: RoomRef
    event: LogEvent
    # The people of this process who watch the room: the live set.
    watchers: Collection[LocalUser]


class LatelyRead(Generic[T]):
    """What was read within FRESH_S, by id."""

    def __init__(self, read: Callable[[Collection[int]], dict[int, T]], most: int) -> None:
        """Keep `most` entries.

        `read` returns one for each id, in a database thread.
        """
        self._read, self._most = read, most
        self._known: OrderedDict[int, tuple[float, T]] = OrderedDict()
        # How often something was forgotten.
        self._changes = 0

    def get(self, one: int) -> T | None:
        """Return what is known; None where it must be read."""
        until, found = self._known.get(one, (0.0, None))
        return found if until >= time.monotonic() else None

    def forget(self, one: int) -> None:
        """Read it again: it has changed."""
        self._changes += 1
        self._known.pop(one, None)

    async def of(self, ids: Collection[int]) -> dict[int, T]:
        """Return the entry of each id.

        Known entries are copied first: reading the others may evict them. Raises DatabaseUnavailable.
        """
        found = {one: known for one in ids if (known := self.get(one)) is not None}
        missing = [one for one in ids if one not in found]
        if missing:
            changes = self._changes
            read = await database.run(self._read, missing)
            if changes == self._changes:  # else it may have been read before the change
                self._keep(read)
            found |= read
        return found

    def _keep(self, read: dict[int, T]) -> None:
        until = time.monotonic() + FRESH_S
        for one, found in read.items():
            self._known[one] = (until, found)
            self._known.move_to_end(one)
        while len(self._known) > self._most:
            self._known.popitem(last=False)


class Teller:
    """One per event loop."""

    def __init__(self) -> None:
        self._rooms = LatelyRead[RoomRead](reads.rooms, ROOMS)
        self._people = LatelyRead[PersonRead](reads.people, PEOPLE)
        self._queue: deque[_Waiting] = deque(maxlen=QUEUE)
        self._task: asyncio.Task[None] | None = None
        self._paces = Buckets(PER_S, BURST)

    def hear(self, room: RoomRef, events: Sequence[LogEvent], watchers: Collection[LocalUser]) -> None:
        """Look at events as they are delivered; must be cheap."""
        if not watchers:
            return
        found = self._rooms.get(room.id)
        any_message = room.direct or found is None or bool(found.all)
        for event in events:
            if event.counts and (any_message or NAMES in event.text):
                self._queue.append(_Waiting(room, event, watchers))
        if self._queue and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._work())

    def forget(self, user: int, frame: dict[str, Any]) -> None:
        """Read the person and their rooms again: their settings have changed."""
        if frame["type"] == "notifications":
            self._people.forget(user)
            local = local_user(user)
            for room in local.rooms.values() if local else ():
                self._rooms.forget(room.id)

    async def _work(self) -> None:
        while self._queue:
            await asyncio.sleep(PACE_S)
            part = [self._queue.popleft() for _ in range(min(MANY, len(self._queue)))]
            try:
                await self._notify(part)
            except database.DatabaseUnavailable:
                room_left = QUEUE - len(self._queue)
                self._queue.extendleft(reversed(part[:room_left]))
                await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311
            except Exception:
                logger.exception("people could not be told of messages", rooms=len({one.room.id for one in part}))

    async def _notify(self, part: list[_Waiting]) -> None:
        rooms = await self._rooms.of({one.room.id for one in part})
        notices = [(one, user, reason) for one in part for user, reason in self._audience(one, rooms[one.room.id])]
        if not notices:
            return
        people = await self._people.of({user.person.id for _, user, _ in notices})
        now, frames = datetime.now(UTC), dict[tuple[int, int, Reason], Batch]()
        for number, (one, user, reason) in enumerate(notices, 1):
            result = self._result(one, user, people[user.person.id], now)
            NOTIFIED.labels(result).inc()
            if result == "sent":
                key = (one.room.id, one.event.seq, reason)
                user.push(frames.get(key) or frames.setdefault(key, _frame(one, rooms[one.room.id], reason)))
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def _result(self, one: _Waiting, user: LocalUser, person: PersonRead, now: datetime) -> str:
        facts = {
            Fact.OWN: _is_own(one.event, user),
            Fact.BLOCKED: one.event.author in person.blocked,
            Fact.READ: user.last_read.get(one.room.id, 0) >= one.event.seq,
            Fact.QUIET: is_quiet(person.quiet, now),
            Fact.UNUSED: not user.sockets,
        }
        if not tells(Way.NOTIFY, {fact for fact, holds in facts.items() if holds}):
            return "silent"
        return "sent" if self._paces.take(str(user.person.id)) else "limited"

    @staticmethod
    def _audience(one: _Waiting, room: RoomRead) -> Iterator[tuple[LocalUser, Reason]]:
        """Return the people of this process to notify, with the reasons."""
        named = _named(one.event)
        if named is None:  # deleted meanwhile
            return
        everybody = one.room.direct or EVERYBODY in named
        users: Iterable[LocalUser | None] = list(one.watchers) if everybody else map(local_user, {*named, *room.all})
        for user in users:
            if user is None or user not in one.watchers or _is_own(one.event, user):
                continue
            level = level_of(room.levels.get(user.person.id), direct=one.room.direct)
            is_named = EVERYBODY in named or user.person.id in named
            reason = reason_for(level, direct=one.room.direct, named=is_named)
            if reason is not None:
                yield user, reason


class _Event(msgspec.Struct):
    sender: dict[str, Any] = msgspec.field(name="from")
    at: str
    deleted: bool = False
    mentions: list[int] = []
    # What a message, a poll or a note says. A thing of another feature may call anything by these names.
    text: Any = ""
    question: Any = ""
    title: Any = ""


_decode = msgspec.json.Decoder(_Event).decode


def _is_own(event: LogEvent, user: LocalUser) -> bool:
    return event.author == user.person.id and BOT not in event.text


def _named(event: LogEvent) -> set[int] | None:
    """Return the ids that an event names; None for a deleted message."""
    found = _decode(event.text)
    return None if found.deleted else set(found.mentions)


def _frame(one: _Waiting, room: RoomRead, reason: Reason) -> Batch:
    event = _decode(one.event.text)
    said = next((words for words in (event.text, event.question, event.title) if words and isinstance(words, str)), None)
    frame: dict[str, Any] = {
        "type": "notify",
        "reason": str(reason),
        "room": one.room.slug,
        "target": one.event.seq,
        "from": event.sender,
        "at": event.at,
        "text": (said or summary_of("", msgspec.json.decode(one.event.text)))[:MOST_TEXT],
    }
    if room.title and not one.room.direct:
        frame["title"] = room.title
    return Batch([encode(frame)])


teller = PerLoop(Teller)
