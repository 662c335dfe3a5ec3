"""Hosts whose clocks differ.

Neither the order of the log nor the detection of moved rows depends on a clock.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

import chat.store_postgres
from chat import history
from db import database
from realtime.publish import Head
from rooms.models import Room
from tests.chat.world import World, store

pytestmark = pytest.mark.django_db(transaction=True)

LITTLE = timedelta(seconds=15)


def set_clock(patch: pytest.MonkeyPatch, off: timedelta) -> None:
    """This process's clock from now on; the database keeps its own."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = UTC) -> Any:
            return datetime.now(tz) + off

    patch.setattr(timezone, "now", Clock.now)
    patch.setattr(chat.store_postgres, "datetime", Clock)


@pytest.mark.parametrize("off", [timedelta(minutes=-5), timedelta(minutes=5)], ids=["behind", "ahead"])
async def test_a_process_whose_clock_is_wrong(world: World, monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    real = store()
    await real.store([world.append(0, "before"), world.append(1, "before")])
    await database.run(lambda: Room.objects.update(last_at=datetime.now(UTC) - timedelta(hours=1)))
    set_clock(monkeypatch, off)
    (written,) = await real.store([world.append(0, "wrong clock")])
    found_by_itself = await history.heads_moved(timezone.now() - LITTLE)
    monkeypatch.undo()
    found_by_others = await history.heads_moved(datetime.now(UTC) - LITTLE)
    (after,) = await real.store([world.append(0, "after")])
    assert [result.seq for result in (written, after)] == [2, 3]  # type: ignore[union-attr]
    assert found_by_itself == found_by_others == {world.rooms[0].id: Head(2)}
    await real.close()
