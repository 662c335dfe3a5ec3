"""Group commit of readings: pushes that arrive together share a transaction.

One per process; its queue is bounded.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from typing import NamedTuple

import structlog
from django.db import DatabaseError

from core import metrics
from core.errors import FrameRefused, TooMany, Unavailable
from core.per_loop import PerLoop
from core.services import Service
from core.words import words as _
from db import database
from features.sensors import alarms
from features.sensors.metrics import BATCH, READINGS
from features.sensors.readings import Reading
from features.sensors.store import Row, sensors_of, store
from realtime import live
from realtime.publish import Person, RoomRef

logger = structlog.get_logger(__name__)

TOPIC = "sensor"
# Readings that wait, and readings of one commit: a thread that writes them holds the interpreter for a few milliseconds.
WAITING = 50_000
MANY = 1_000
KNOWN = 20_000
TRIES = 3
# Pause between commits: pushes come together, and a commit writes each sensor's buckets once. The pause is REST times the
# commit's duration, so that readings leave most of the database's time to messages.
REST = 4
REST_S = 0.02
REST_MOST_S = 0.25


class Push(NamedTuple):
    room: RoomRef
    sender: Person
    readings: list[Reading]
    done: asyncio.Future[int]


class Ingest:
    def __init__(self) -> None:
        self._waiting: list[Push] = []
        self._size = 0
        self._task: asyncio.Task[None] | None = None
        # (room, sensor_id) → Sensor.id
        self._known: OrderedDict[tuple[int, str], int] = OrderedDict()

    def add(self, room: RoomRef, sender: Person, readings: list[Reading]) -> asyncio.Future[int]:
        """Queue readings; the result is their number, once they are committed.

        Raises Unavailable where too many wait.
        """
        if self._size + len(readings) > WAITING:
            raise Unavailable(_("too many readings wait for the database; send these again"))
        loop = asyncio.get_running_loop()
        push = Push(room, sender, readings, loop.create_future())
        self._waiting.append(push)
        self._size += len(readings)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
        return push.done

    async def close(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task], timeout=database.LIMIT_S)

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._waiting:
            part = self._next()
            begun = clock()
            await self._commit_or_fail(part)
            await asyncio.sleep(min(REST_MOST_S, max(REST_S, REST * (clock() - begun))))

    def _next(self) -> list[Push]:
        """Take the oldest pushes, at most MANY readings or one push."""
        size = number = 0
        for push in self._waiting:
            if number and size + len(push.readings) > MANY:
                break
            number += 1
            size += len(push.readings)
        part, self._waiting = self._waiting[:number], self._waiting[number:]
        self._size -= size
        return part

    async def _commit_or_fail(self, part: list[Push]) -> None:
        try:
            await self._commit(part)
        except (database.DatabaseUnavailable, FrameRefused):
            self._fail(part, Unavailable(_("the database is away; the same readings may be sent again")))
        except DatabaseError:
            if len(part) > 1:  # one room's end must not fail the readings of others
                for push in part:
                    await self._commit_or_fail([push])
                return
            self._fail(part, Unavailable(_("the readings could not be stored; send these again")))
        except Exception:  # the callers must not wait for ever
            logger.exception("readings could not be stored")
            self._fail(part, Unavailable(_("the readings could not be stored; send these again")))

    @staticmethod
    def _fail(part: list[Push], refusal: FrameRefused) -> None:
        for push in part:
            if not push.done.done():
                push.done.set_exception(refusal)

    async def _commit(self, part: list[Push]) -> None:
        """Store pushes in one transaction, then answer and show them.

        Raises DatabaseError or DatabaseUnavailable.
        """
        ready, rows, newest = await self._stored(part)
        if rows:
            READINGS.inc(len(rows))
            BATCH.observe(len(rows))
        show(ready)
        for push in ready:
            if not push.done.done():
                push.done.set_result(len(push.readings))
        places = ((push.room, reading.sensor_id) for push in ready for reading in push.readings)
        named = {row.sensor: place for row, place in zip(rows, places, strict=True)}
        alarms.check([alarms.Seen(row.sensor, *named[row.sensor], row.at, row.value) for row in newest])

    async def _stored(self, part: list[Push]) -> tuple[list[Push], list[Row], list[Row]]:
        """Return the pushes that were stored, and their rows in the same order.

        Pushes that a full room refuses have failed. The third list holds the readings that are their sensors' newest now.
        """
        for attempt in range(TRIES):
            try:
                ready, rows = self._rows(part, await self._sensors(part))
                newest = await database.run(store, rows) if rows else []
            except DatabaseError:
                # A sensor was deleted, with its room or by hand: its id is known no more.
                self._known.clear()
                if attempt == TRIES - 1:
                    raise
                await asyncio.sleep(random.uniform(0.02, 0.2))  # noqa: S311
            else:
                return ready, rows, newest
        raise AssertionError("unreachable")

    def _rows(self, part: list[Push], known: dict[tuple[int, str], int | TooMany]) -> tuple[list[Push], list[Row]]:
        ready, rows = [], []
        for push in part:
            found = []
            for one in push.readings:
                sensor = known[push.room.id, one.sensor_id]
                if isinstance(sensor, TooMany):
                    self._fail([push], sensor)
                    break
                found.append(Row(sensor, one.at, one.value))
            else:
                ready.append(push)
                rows += found
        return ready, rows

    async def _sensors(self, part: list[Push]) -> dict[tuple[int, str], int | TooMany]:
        wanted = {(push.room.id, one.sensor_id) for push in part for one in push.readings}
        found: dict[tuple[int, str], int | TooMany] = {key: self._known[key] for key in wanted if key in self._known}
        if new := wanted - found.keys():
            made = await database.run(sensors_of, new)
            found |= made
            self._known.update({key: one for key, one in made.items() if isinstance(one, int)})
            while len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return found


def show(pushes: list[Push]) -> None:
    """Show each sensor's latest reading live, once for all pushes.

    One that is older than what is shown is not.
    """
    latest: dict[RoomRef, dict[str, tuple[Reading, Person]]] = {}
    for push in pushes:
        found = latest.setdefault(push.room, {})
        for one in push.readings:
            if one.sensor_id not in found or one.at > found[one.sensor_id][0].at:
                found[one.sensor_id] = one, push.sender
    for room, readings in latest.items():
        shown = live.values(room, TOPIC)
        for name, (one, sender) in readings.items():
            before = shown.get(name)
            if before is not None and before.value["at"] >= one.at:
                continue
            try:
                live.publish(room, TOPIC, name, {"value": one.value, "at": one.at}, sender=sender)
            except FrameRefused:  # more names than a topic keeps: the readings are stored
                metrics.HANDLER_FAILURES.labels("sensor").inc()


ingest = PerLoop(Ingest)


class Readings(Service):
    """Commits the queue before the process ends."""

    name = "readings"

    async def stop(self) -> None:
        await ingest().close()
