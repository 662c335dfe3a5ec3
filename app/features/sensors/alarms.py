"""Alarms: a value crosses a threshold, or a sensor falls silent.

Each change is a message in the room, once.

The message's key counts the alarm's changes: whichever processes see the same change, it is stored once.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

import structlog

from chat import publish
from core.errors import Forbidden, FrameRefused, NotAMember
from core.per_loop import PerLoop
from db import database
from features.sensors.metrics import ALARMS
from features.sensors.models import Alarm
from features.sensors.readings import Reading
from realtime.publish import Person, RoomRef
from rooms import access
from rooms.models import Membership, Role

logger = structlog.get_logger(__name__)

# Alarms are read again after so long.
FRESH_S = 2.0
MANY = 100


class Rule(NamedTuple):
    above: float | None
    below: float | None
    hysteresis: float
    silent_s: int | None


class State(NamedTuple):
    id: int
    rule: Rule
    # "", "above", "below" or "silent".
    state: str
    changes: int
    by: Person


def after(rule: Rule, state: str, value: float) -> str:
    """Return the alarm's state after a value.

    Pure.
    """
    if rule.above is not None and value > rule.above - (rule.hysteresis if state == "above" else 0):
        return "above"
    if rule.below is not None and value < rule.below + (rule.hysteresis if state == "below" else 0):
        return "below"
    return ""


class Alarms:
    """The alarms that this process has read, by sensor."""

    def __init__(self) -> None:
        self.known: dict[int, State] = {}
        self.read_at = 0.0
        self.tasks: set[asyncio.Task[None]] = set()
        self.lock = asyncio.Lock()


loaded = PerLoop(Alarms)
Seen = tuple[int, RoomRef, Reading]


def check(seen: list[Seen]) -> None:
    """Look at readings that were committed, in the background."""
    task = asyncio.get_running_loop().create_task(_check(seen))
    loaded().tasks.add(task)
    task.add_done_callback(loaded().tasks.discard)


async def _check(seen: list[Seen]) -> None:
    alarms = loaded()
    async with alarms.lock:  # in the order of the commits
        try:
            await _refresh(alarms)
            for sensor, room, reading in sorted(seen, key=lambda one: one[2].at) if alarms.known else ():
                known = alarms.known.get(sensor)
                if known is None:
                    continue
                state = after(known.rule, known.state, reading.value)
                if state != known.state:
                    await change(known, sensor, room, reading.sensor_id, state, reading.value)
        except (database.DatabaseUnavailable, FrameRefused) as error:
            logger.warning("alarms wait for the database", error=str(error))


async def _refresh(alarms: Alarms) -> None:
    now = time.monotonic()
    if now - alarms.read_at > FRESH_S:
        alarms.known = await database.run(_read)
        alarms.read_at = now


def _read() -> dict[int, State]:
    return {alarm.sensor_id: _state(alarm) for alarm in Alarm.objects.select_related("by")}


def _state(alarm: Alarm) -> State:
    rule = Rule(alarm.above, alarm.below, alarm.hysteresis, alarm.silent_s)
    # Nobody, once the account was deleted: the room takes no message of that person, and the alarm gets another owner.
    by = Person(alarm.by.id, alarm.by.username) if alarm.by is not None else Person(0, "")
    return State(alarm.id, rule, alarm.state, alarm.changes, by)


async def change(known: State, sensor: int, room: RoomRef, name: str, state: str, value: float) -> None:
    """Post the change and note it.

    The message first: a process that dies in between posts it again, to no effect.
    """
    key = publish.ServerKey("alarm", known.id, known.changes + 1)
    text = sentence(known.rule, name, known.state, state, value)
    try:
        await publish.message(room=room, author=known.by, key=key, text=text)
    except (NotAMember, Forbidden):  # the owner who set it has left
        heir = await database.run(_reassign, known.id, room.id)
        if heir is not None:
            await change(known._replace(by=heir), sensor, room, name, state, value)
            return
        logger.warning("an alarm was not posted: the room has no owner who may write", room=room.slug, sensor=name)
    except FrameRefused as refusal:
        logger.warning("an alarm could not be posted", room=room.slug, sensor=name, code=refusal.code)
        return
    await database.run(_note, known.id, known.changes, state)
    ALARMS.labels(state or "over").inc()
    loaded().known[sensor] = known._replace(state=state, changes=known.changes + 1)


def _reassign(alarm: int, room: int) -> Person | None:
    """Give an alarm to the room's longest-standing owner who may write.

    Return None if there is no such owner.
    """
    owners = Membership.objects.filter(room=room, role=Role.OWNER, silenced=False, user__is_active=True)
    heir = owners.select_related("user").order_by("id").first()
    if heir is None:
        return None
    Alarm.objects.filter(id=alarm).update(by=heir.user_id)
    return Person(heir.user_id, heir.user.username)


def _note(alarm: int, changes: int, state: str) -> None:
    Alarm.objects.filter(id=alarm, changes=changes).update(state=state, changes=changes + 1)


def sentence(rule: Rule, name: str, before: str, state: str, value: float) -> str:
    match state:
        case "above":
            return f"⚠️ {name} is {value:g}, above {rule.above:g}."
        case "below":
            return f"⚠️ {name} is {value:g}, below {rule.below:g}."
        case "silent":
            return f"⚠️ {name} has been silent for {rule.silent_s} s."
        case _ if before == "silent":
            return f"✅ {name} is back, at {value:g}."
        case _:
            return f"✅ {name} is {value:g}: back to normal."


async def look_for_silent() -> None:
    """Raise the alarms of sensors that have fallen silent.

    Raises DatabaseUnavailable.
    """
    for known, sensor, room, name, value in await database.run(_silent):
        await change(known, sensor, room, name, "silent", value)


def _silent() -> list[tuple[State, int, RoomRef, str, float]]:
    now = time.time() * 1_000
    found = Alarm.objects.filter(silent_s__isnull=False, sensor__last_at__gt=0, sensor__room__closed=False).exclude(
        state="silent"
    )
    return [
        (_state(alarm), alarm.sensor_id, access.to_ref(alarm.sensor.room), alarm.sensor.sensor_id, alarm.sensor.last_value)
        for alarm in found.select_related("by", "sensor__room")
        if alarm.silent_s is not None and alarm.sensor.last_at < now - alarm.silent_s * 1_000
    ][:MANY]
