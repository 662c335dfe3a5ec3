"""Sensors that go to and fro across their thresholds, without a database."""

import asyncio
import time

import pytest

from features.sensors import alarms
from features.sensors.alarms import PAUSE_MOST_S, PAUSE_S, Change, Rule, Seen, State, in_turn, pause_after
from realtime.publish import Person, RoomRef

NOISY, QUIET = RoomRef(1, "noisy", False), RoomRef(2, "quiet", False)
SENSORS = 200
# A change's message and its note.
COMMIT_S = 0.02


def alarm(sensor: int) -> State:
    return State(sensor, Rule(above=30, below=None, hysteresis=0, silent_s=None), "", 0, Person(1, "ada"), "en")


def reading(sensor: int, value: float, room: RoomRef = NOISY) -> Seen:
    return Seen(sensor, room, f"t{sensor}", round(time.time() * 1_000), value)


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[Seen]:
    """Readings that changed their alarms; each change takes COMMIT_S."""
    seen: list[Seen] = []

    async def change(known: State, one: Seen, state: str) -> bool:
        await asyncio.sleep(COMMIT_S)
        seen.append(one)
        alarms.loaded().known[one.sensor] = known._replace(state=state, changes=known.changes + 1)
        return True

    async def refresh(_: alarms.Alarms) -> None:
        pass

    monkeypatch.setattr(alarms, "change", change)
    monkeypatch.setattr(alarms, "_refresh", refresh)
    return seen


async def test_flipping_sensors_do_not_delay_another_rooms_alarm(posted: list[Seen]) -> None:
    alarms.loaded().known = {sensor: alarm(sensor) for sensor in range(SENSORS + 1)}
    tasks = len(asyncio.all_tasks())
    for commit in range(50):
        alarms.check([reading(sensor, 31 - 20 * (commit % 2)) for sensor in range(SENSORS)])
        await asyncio.sleep(0.01)
    alarms.check([reading(SENSORS, 31, QUIET)])
    assert len(asyncio.all_tasks()) <= tasks + 1, "one worker"
    begun = time.monotonic()
    while not any(one.room == QUIET for one in posted):
        assert time.monotonic() < begun + 1
        await asyncio.sleep(0.01)


async def test_alarm_that_goes_to_and_fro_pauses_and_ends_right(posted: list[Seen], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "PAUSE_S", 0.5)
    alarms.loaded().known = {1: alarm(1)}
    for value in (31, 20, 31, 20, 31, 20):
        alarms.check([reading(1, value)])
        await asyncio.sleep(2 * COMMIT_S)
    assert [one.value for one in posted] == [31]
    await asyncio.sleep(1)
    assert [one.value for one in posted] == [31, 20], "the newest value counts after the pause"
    assert not alarms.loaded().held


def test_pause_grows_while_an_alarm_goes_to_and_fro() -> None:
    last, pauses = None, []
    for _ in range(7):
        now = 0.0 if last is None else last.at + last.pause_s
        last = Change(now, pause_after(last, now))
        pauses.append(last.pause_s)
    assert pauses == [PAUSE_S, 6, 12, 24, 48, PAUSE_MOST_S, PAUSE_MOST_S]
    assert last is not None
    assert pause_after(last, last.at + 2 * PAUSE_MOST_S) == PAUSE_S


def test_rooms_take_turns_in_a_round() -> None:
    changed = [(alarm(sensor), reading(sensor, 31)) for sensor in range(3)] + [(alarm(3), reading(3, 31, QUIET))]
    assert [seen.sensor for _, seen in in_turn(changed)] == [0, 3, 1, 2]
