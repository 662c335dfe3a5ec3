"""The poll of the heads at 50,000 rooms: two cheap statements, jittered."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.conf import settings
from django.db import close_old_connections, connection
from django.test.utils import CaptureQueriesContext

from core.supervise import run_forever
from db import database
from realtime.events import Head, RoomRef
from realtime.hub import POLL_EVERY_S, Hub
from realtime.live_room import LiveRoom
from rooms.models import Room as Stored
from tests.realtime.property.loop import ProcessLoop

ROOMS, MOVED = 50_000, 100
# A lost last event is found by then.
APART_S = 3.0


NUMBERS = {
    "postgresql": "generate_series(1, %s) AS numbers(n)",
    "sqlite": "(WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < %s) SELECT n FROM up) AS numbers",
}
FILL = """
    INSERT INTO rooms_room (slug, title, kind, head, last_at, created_at)
    SELECT 'room-' || n, 'Room ' || n, 'public', 1, %s, %s FROM {}
"""


@pytest.fixture
def rooms(transactional_db: None) -> list[int]:
    """Ids of rooms, some of which just changed."""
    old = datetime.now(UTC) - timedelta(hours=1)
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(NUMBERS[connection.vendor]), [old, old, ROOMS])
        ids = list(Stored.objects.filter(head=1).order_by("id").values_list("id", flat=True))
        Stored.objects.filter(id__in=ids[:: ROOMS // MOVED]).update(last_at=datetime.now(UTC))
        cursor.execute("ANALYZE")
    return ids


def plan(statement: str) -> str:
    how = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{how} {statement}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


async def test_poll_uses_the_primary_key_and_one_table_pass(rooms: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "REDIS_SHARDS", [])
    hub = Hub()
    for room_id in rooms:
        room = hub.registry.rooms[room_id] = LiveRoom(RoomRef(room_id, f"r{room_id}", direct=False))
        room.skip_to(Head(1))
        room.opened.set()
    asked: list[str] = []

    async def note(function: Callable[[], object]) -> object:
        def noted() -> object:
            with CaptureQueriesContext(connection) as queries:
                found = function()
            asked.extend(query["sql"] for query in queries)
            return found

        return await real(noted)

    real = database.run
    monkeypatch.setattr(database, "run", note)
    await hub.repair.poll_heads()
    monkeypatch.undo()
    moved, named = [await database.run(plan, statement) for statement in asked]
    assert re.search(r"Index (Only )?Scan|SEARCH rooms_room USING INTEGER PRIMARY KEY", named), named
    assert not re.search(r"Seq Scan|SCAN rooms_room", named), named
    # One sequential pass. An index would cost more: every commit would have to write it.
    assert re.fullmatch(r"(Seq Scan on|SCAN) rooms_room.*(\n +Filter: .*)?", moved), moved
    await asyncio.gather(*(database.run(close_old_connections) for _ in range(8)))


@pytest.fixture
def loop() -> Iterator[ProcessLoop]:
    """An event loop with a clock under the test's control."""
    made = ProcessLoop()
    yield made
    made.close()


def test_polls_have_jitter_and_run_every_3_s_at_least(loop: ProcessLoop) -> None:
    times: dict[str, list[float]] = {"one": [], "other": []}

    async def begin() -> list[asyncio.Task[None]]:
        return [asyncio.create_task(run_forever(polling(noted))) for noted in times.values()]

    def polling(noted: list[float]) -> Callable[[], Awaitable[None]]:
        hub = Hub()

        async def read() -> None:
            noted.append(loop.time())
            await asyncio.sleep(0.4)  # a busy database

        hub._read_what_was_lost = read  # type: ignore[method-assign]
        return hub._poll

    tasks = loop.run_until_complete(begin())
    loop.advance(1_000)
    for task in tasks:
        task.cancel()
    loop.settle()
    for moments in times.values():
        apart = [later - earlier for earlier, later in pairwise(moments)]
        assert min(apart) > POLL_EVERY_S / 2
        assert max(apart) < APART_S
        assert len({round(each, 2) for each in apart}) > 30, "without jitter all processes would ask at once"
    assert {round(moment, 1) for moment in times["one"]} != {round(moment, 1) for moment in times["other"]}
