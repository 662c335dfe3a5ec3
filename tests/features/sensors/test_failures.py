"""Failures behind a commit of readings, without a database."""

import asyncio
from typing import Any

import pytest

from core.errors import TooMany, Unavailable
from features.sensors import alarms, ingest
from features.sensors.alarms import Seen
from features.sensors.ingest import Push
from features.sensors.readings import Reading
from realtime import live
from realtime.publish import Person, RoomRef

pytestmark = pytest.mark.once

ROOM, ADA = RoomRef(1, "room", direct=False), Person(1, "ada")


async def test_reading_that_cannot_be_shown_spares_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def publish(_room: Any, _topic: str, key: str, _value: Any, **_: Any) -> None:
        if key == "t1":
            raise TooMany("too many keys")
        shown.append(key)

    monkeypatch.setattr(live, "values", lambda *_: {})
    monkeypatch.setattr(live, "publish", publish)
    done = asyncio.get_running_loop().create_future()
    ingest.show([Push(ROOM, ADA, [Reading("t1", 1, 1.0), Reading("t2", 1, 1.0)], done)])
    assert shown == ["t2"]


async def test_alarms_pause_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[object] = []

    async def refresh(found: object) -> None:
        tries.append(found)
        await asyncio.sleep(0)
        raise RuntimeError

    monkeypatch.setattr(alarms, "_refresh", refresh)
    alarms.check([Seen(1, ROOM, "t1", 1, 1.0)])
    await asyncio.sleep(0.3)
    assert len(tries) == 1
    alarms.loaded().waiting.clear()
    worker = alarms.loaded().worker
    assert worker is not None
    await asyncio.wait_for(worker, 5)


async def test_full_queue_of_readings_is_refused_and_takes_more_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "WAITING", 3)
    queue, committed = ingest.Ingest(), asyncio.Event()

    async def commit(part: list[Push]) -> None:
        await committed.wait()
        for push in part:
            push.done.set_result(len(push.readings))

    monkeypatch.setattr(queue, "_commit_or_fail", commit)
    readings = [Reading("t1", at, 1.0) for at in range(2)]
    first = queue.add(ROOM, ADA, readings)
    with pytest.raises(Unavailable):
        queue.add(ROOM, ADA, readings)
    committed.set()
    assert await asyncio.wait_for(first, 5) == 2
    assert await asyncio.wait_for(queue.add(ROOM, ADA, readings), 5) == 2
    await queue.close()
