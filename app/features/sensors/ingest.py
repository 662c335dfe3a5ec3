"""Group commit of readings: pushes that arrive together share a transaction. One per process; its queue is bounded."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from typing import NamedTuple

import structlog
from django.db import DatabaseError

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
# Readings that wait, and readings of one commit.
WAITING = 50_000
MANY = 5_000
KNOWN = 20_000
TRIES = 3
# Pause between commits: small pushes come together, and a chart is no later for it.
REST_S = 0.02


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
        """Queue readings; the result is their number, once they are committed. Raises Unavailable where too many wait."""
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
        while self._waiting:
            part, size = [], 0
            while self._waiting and size < MANY:
                push = self._waiting.pop(0)
                part.append(push)
                size += len(push.readings)
            self._size -= size
            try:
                await self._commit(part)
            except (database.DatabaseUnavailable, FrameRefused):
                self._fail(part, Unavailable(_("the database is away; the same readings may be sent again")))
            except Exception:  # whoever pushed must not wait for ever
                logger.exception("readings could not be stored")
                self._fail(part, Unavailable(_("the readings could not be stored; send these again")))
            await asyncio.sleep(REST_S)

    @staticmethod
    def _fail(part: list[Push], refusal: FrameRefused) -> None:
        for push in part:
            if not push.done.done():
                push.done.set_exception(refusal)

    async def _commit(self, part: list[Push]) -> None:
        known = await self._sensors(part)
        ready: list[Push] = []
        for push in part:
            refusal = next(
                (one for reading in push.readings if isinstance(one := known[push.room.id, reading.sensor_id], TooMany)), None
            )
            if refusal is None:
                ready.append(push)
            else:
                self._fail([push], refusal)
        ids = {key: one for key, one in known.items() if isinstance(one, int)}
        rows = [Row(ids[push.room.id, one.sensor_id], one.at, one.value) for push in ready for one in push.readings]
        if rows:
            await self._store(rows)
            READINGS.inc(len(rows))
            BATCH.observe(len(rows))
        for push in ready:
            show(push)
            if not push.done.done():
                push.done.set_result(len(push.readings))
        alarms.check([(ids[push.room.id, one.sensor_id], push.room, one) for push in ready for one in push.readings])

    async def _store(self, rows: list[Row]) -> None:
        for attempt in range(TRIES):
            try:
                await database.run(store, rows)
            except DatabaseError:
                # A deadlock with the deletion of old readings, or a sensor that was deleted with its room.
                self._known.clear()
                if attempt == TRIES - 1:
                    raise
                await asyncio.sleep(random.uniform(0.02, 0.2))  # noqa: S311
            else:
                return

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


def show(push: Push) -> None:
    """Show each sensor's latest reading live. One that is older than what is shown is not."""
    latest: dict[str, Reading] = {}
    for one in push.readings:
        if one.sensor_id not in latest or one.at > latest[one.sensor_id].at:
            latest[one.sensor_id] = one
    shown = live.values(push.room, TOPIC)
    for name, one in latest.items():
        before = shown.get(name)
        if before is None or before.value["at"] < one.at:
            live.publish(push.room, TOPIC, name, {"value": one.value, "at": one.at}, sender=push.sender)


ingest = PerLoop(Ingest)


class Readings(Service):
    """Commits the queue before the process ends."""

    name = "readings"

    async def stop(self) -> None:
        await ingest().close()
