"""Alarms: a value crosses a threshold, or a sensor falls silent.

Each change is a message in the room, once. Only a sensor's newest reading decides: a late one says nothing of now.

Each commit of readings looks at its own, and each process at all alarms every EVERY_S: a change whose message failed, or whose
process died, is posted then. The message's key counts the alarm's changes: whichever processes see the same change, it is stored
once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, OrderedDict
from typing import NamedTuple

import structlog
from django.db.models import BigIntegerField, F, Q
from django.db.models.functions import Cast
from django.utils import translation

from chat import publish
from core import metrics
from core.errors import Forbidden, FrameRefused, NotAMember, Unavailable
from core.per_loop import PerLoop
from core.words import translated
from core.words import words as _
from db import database
from features.sensors.metrics import ALARMS
from features.sensors.models import Alarm, Sensor
from realtime.publish import Person, RoomRef
from rooms import access
from rooms.models import Membership, Role

logger = structlog.get_logger(__name__)

# Alarms are read again after so long.
FRESH_S = 2.0
EVERY_S = 5.0
# Changes posted in one round.
MANY = 100
# Between two changes of one alarm. Twice as long each time while it goes to and fro: many such sensors would fill the room.
PAUSE_S = 3.0
PAUSE_MOST_S = 60.0


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
    language: str


class Seen(NamedTuple):
    """A sensor and its newest reading."""

    # Sensor.id
    sensor: int
    room: RoomRef
    name: str
    # Milliseconds since 1970.
    at: int
    value: float


def state_after(rule: Rule, state: str, value: float, age_s: float) -> str:
    """Return the alarm's state after the sensor's newest reading.

    Pure. The reading is `age_s` old.
    """
    if rule.silent_s is not None and age_s > rule.silent_s:
        return "silent"
    if rule.above is not None and value > rule.above - (rule.hysteresis if state == "above" else 0):
        return "above"
    if rule.below is not None and value < rule.below + (rule.hysteresis if state == "below" else 0):
        return "below"
    return ""


class Change(NamedTuple):
    """An alarm's latest change in this process, and the pause before the next one."""

    # Of the event loop's clock.
    at: float
    pause_s: float


class Alarms:
    """The alarms that this process has read, and readings still to be judged."""

    def __init__(self) -> None:
        # By sensor, as all dicts of this class but `waiting`.
        self.known: dict[int, State] = {}
        self.read_at = 0.0
        # Room → sensor → its newest reading. The first room is the next one.
        self.waiting: OrderedDict[int, OrderedDict[int, Seen]] = OrderedDict()
        # Newest readings of alarms that have changed a moment ago.
        self.held: dict[int, Seen] = {}
        self.changes: dict[int, Change] = {}
        self.worker: asyncio.Task[None] | None = None
        # Taken for one change: the worker and check_all take turns.
        self.lock = asyncio.Lock()


loaded = PerLoop(Alarms)


def check(seen: list[Seen]) -> None:
    """Look at readings that are their sensors' newest, in the background.

    A newer reading replaces an unchecked one of the same sensor.
    """
    if not seen:
        return
    alarms = loaded()
    for one in seen:
        alarms.waiting.setdefault(one.room.id, OrderedDict())[one.sensor] = one
    if alarms.worker is None or alarms.worker.done():
        alarms.worker = asyncio.get_running_loop().create_task(_work(alarms))


async def _work(alarms: Alarms) -> None:
    while alarms.waiting:
        try:
            await _refresh(alarms)
            if (found := _next(alarms)) is not None and not await _post(alarms, *found):
                await _judge_again(alarms, found[1])
        except (database.DatabaseUnavailable, Unavailable) as error:
            # check_all finds these once the database is back.
            alarms.waiting.clear()
            logger.warning("alarms wait for the database", error=str(error))
        except Exception:
            metrics.HANDLER_FAILURES.labels("sensor").inc()
            logger.exception("an alarm could not be posted")
            await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311  # the same readings may fail again


def _next(alarms: Alarms) -> tuple[State, Seen, str] | None:
    """Return the next reading that changes its alarm; drop those before it.

    Rooms take turns, one change each, so that no room waits for all changes of another.
    """
    while alarms.waiting:
        room, sensors = alarms.waiting.popitem(last=False)
        while sensors:
            _, seen = sensors.popitem(last=False)
            # This reading is newer than a held one.
            alarms.held.pop(seen.sensor, None)
            known = alarms.known.get(seen.sensor)
            if known is None or (state := _state_now(known, seen)) == known.state:
                continue
            if (wait_s := _pause_left(alarms, seen.sensor)) > 0:
                alarms.held[seen.sensor] = seen
                asyncio.get_running_loop().call_later(wait_s, _release, alarms, seen.sensor)
                continue
            if sensors:
                alarms.waiting[room] = sensors
            return known, seen, state
    return None


def _release(alarms: Alarms, sensor: int) -> None:
    """Judge a held reading, unless a newer one is waiting."""
    seen = alarms.held.pop(sensor, None)
    if seen is not None and sensor not in alarms.waiting.get(seen.room.id, ()):
        check([seen])


async def _judge_again(alarms: Alarms, seen: Seen) -> None:
    """Judge by the state of now: another process has changed the alarm."""
    alarms.read_at = 0.0
    await _refresh(alarms)
    known = alarms.known.get(seen.sensor)
    if known is not None and (state := _state_now(known, seen)) != known.state:
        await _post(alarms, known, seen, state)


async def _post(alarms: Alarms, known: State, seen: Seen, state: str) -> bool:
    """Change the alarm, and begin the pause before its next change.

    Returns and raises as `change`.
    """
    async with alarms.lock:
        now = asyncio.get_running_loop().time()
        alarms.changes[seen.sensor] = Change(now, pause_after(alarms.changes.get(seen.sensor), now))
        return await change(known, seen, state)


def pause_after(last: Change | None, now: float) -> float:
    """Return the pause in seconds after a change at `now`.

    It doubles while the alarm goes to and fro.
    """
    if last is None or now - last.at >= 2 * last.pause_s:
        return PAUSE_S
    return min(PAUSE_MOST_S, 2 * last.pause_s)


def _pause_left(alarms: Alarms, sensor: int) -> float:
    last = alarms.changes.get(sensor)
    return 0.0 if last is None else last.at + last.pause_s - asyncio.get_running_loop().time()


async def check_all() -> None:
    """Look at every alarm's sensor.

    Raises DatabaseUnavailable.
    """
    alarms = loaded()
    now = asyncio.get_running_loop().time()
    alarms.changes = {sensor: last for sensor, last in alarms.changes.items() if now - last.at < 2 * last.pause_s}
    for known, seen in await database.run(_changed):
        state = _state_now(known, seen)
        try:
            if state == known.state or _pause_left(alarms, seen.sensor) > 0:
                continue
            if not await _post(alarms, known, seen, state):
                # A process posted it and has not noted it: mostly it has died.
                await database.run(_note, known.id, known.changes, state)
        except Unavailable:
            return  # the next round begins with others


def _changed() -> list[tuple[State, Seen]]:
    """Return alarms whose state is not what their sensors' newest readings say."""
    silent_ms = Cast("silent_s", BigIntegerField()) * 1_000
    last = round(time.time() * 1_000) - silent_ms
    late, fresh = Q(sensor__last_at__lt=last), Q(silent_s=None) | Q(sensor__last_at__gte=last)
    # All that may have changed: most values are where they should be, and a silent sensor may stay so for ever.
    beyond = Q(sensor__last_value__gt=F("above")) | Q(sensor__last_value__lt=F("below"))
    changing = late & ~Q(state="silent") | fresh & (beyond | ~Q(state=""))
    found = Alarm.objects.filter(changing, sensor__last_at__gt=0, sensor__room__closed=False)
    both = [(_state(alarm), _newest(alarm.sensor)) for alarm in found.select_related("by", "sensor__room")]
    changed = [(known, seen) for known, seen in both if _state_now(known, seen) != known.state]
    random.shuffle(changed)  # alarms whose messages cannot be stored must not keep others from being posted
    return in_turn(changed)[:MANY]


def in_turn(changed: list[tuple[State, Seen]]) -> list[tuple[State, Seen]]:
    """Order changes so that rooms take turns: the first of each, then the second."""
    counts: Counter[int] = Counter()
    numbered = []
    for one in changed:
        room = one[1].room.id
        numbered.append((counts[room], one))
        counts[room] += 1
    return [one for _, one in sorted(numbered, key=lambda pair: pair[0])]


def _newest(sensor: Sensor) -> Seen:
    assert sensor.room is not None  # a removed sensor has no alarm
    return Seen(sensor.id, access.to_ref(sensor.room), sensor.sensor_id, sensor.last_at, sensor.last_value)


def _state_now(known: State, seen: Seen) -> str:
    return state_after(known.rule, known.state, seen.value, time.time() - seen.at / 1_000)


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
    return State(alarm.id, rule, alarm.state, alarm.changes, by, alarm.language)


async def change(known: State, seen: Seen, state: str) -> bool:
    """Post the change and note it.

    The message first: a process that dies in between posts it again, to no effect. Return False if another process has posted
    this change, or another one. Raises Unavailable and DatabaseUnavailable.
    """
    key = publish.ServerKey("alarm", known.id, known.changes + 1)
    with translation.override(known.language):
        text = translated(sentence(known.rule, seen.name, known.state, state, seen.value))
    try:
        # A program's: the owner did not write it, and is notified as everybody else.
        stored = await publish.message(room=seen.room, author=known.by, key=key, text=text, parts=publish.Parts(bot=True))
        if stored.duplicate:
            return False
    except (NotAMember, Forbidden):  # the owner who set it has left
        heir = await database.run(_reassign, known.id, seen.room.id)
        if heir is not None:
            return await change(known._replace(by=heir), seen, state)
        logger.warning("an alarm was not posted: the room has no owner who may write", room=seen.room.slug, sensor=seen.name)
    except Unavailable:
        raise
    except FrameRefused as refusal:
        logger.warning("an alarm could not be posted", room=seen.room.slug, sensor=seen.name, code=refusal.code)
        return True
    await database.run(_note, known.id, known.changes, state)
    ALARMS.labels(state or "over").inc()
    loaded().known[seen.sensor] = known._replace(state=state, changes=known.changes + 1)
    return True


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


def _number(value: float | None) -> str:
    """Write a reading or a limit, without the noise of its last binary digits."""
    return f"{value:.12g}"


def sentence(rule: Rule, name: str, before: str, state: str, value: float) -> str:
    """Return the sentence for a new state, in words that `translated` knows."""
    now = _number(value)
    match state:
        case "above":
            return _("⚠️ {name} is {value}, above {limit}.", name=name, value=now, limit=_number(rule.above))
        case "below":
            return _("⚠️ {name} is {value}, below {limit}.", name=name, value=now, limit=_number(rule.below))
        case "silent":
            return _("⚠️ {name} has been silent for {seconds} s.", name=name, seconds=rule.silent_s)
        case _ if before == "silent":
            return _("✅ {name} is back, at {value}.", name=name, value=now)
        case _:
            return _("✅ {name} is {value}: back to normal.", name=name, value=now)
