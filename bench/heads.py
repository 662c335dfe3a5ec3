"""Measure the cost of polling heads and of the hub's tick.

The measured process serves many rooms:

    PYTHONPATH=app:. .venv/bin/python bench/heads.py --open 50000 --rooms 100000

It starts a Postgres of its own, fills it, explains the poll's queries, and runs the real poll and tick against it. The
longest stall is the longest time for which the event loop ran no other task.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from tests.support.services import Postgres

FILL = """
    INSERT INTO rooms_room (slug, title, kind, head, last_at, created_at)
    SELECT 'room-' || n, 'A room with a title of some length ' || n, 'public', n %% 500,
           now() - interval '1 day' * random(), now()
    FROM generate_series(1, %s) AS n
"""
TOUCH = "UPDATE rooms_room SET last_at = now() WHERE id IN (SELECT id FROM rooms_room ORDER BY random() LIMIT %s)"
NAMED = "SELECT id, head FROM rooms_room WHERE id = ANY(%s)"
LISTED = "SELECT id, head FROM rooms_room WHERE id IN ({})"
MOVED = "SELECT id, head FROM rooms_room WHERE last_at >= now() - interval '17 seconds'"


class Cost(NamedTuple):
    wall_ms: float
    cpu_ms: float
    stall_ms: float


def main() -> None:
    options = _options()
    with Postgres() as postgres, tempfile.TemporaryDirectory() as data:
        os.environ |= {
            "DATABASE_URL": postgres.create_database(),
            "SECRET_KEY": "x" * 50,
            "DATA_DIR": data,
            "LOG_LEVEL": "error",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        os.environ.pop("REDIS_URL", None)
        import django  # noqa: PLC0415 - it reads the variables above
        from django.core.management import call_command  # noqa: PLC0415

        django.setup()
        call_command("migrate", verbosity=0)
        ids = _fill(options)
        for name, statement, parameters in _queries(ids):
            _explain(name, statement, parameters)
        asyncio.run(_measure(ids, options))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--open", type=int, default=50_000, help="rooms the process serves (default 50000)")
    parser.add_argument("--rooms", type=int, default=100_000, help="rooms in the table (default 100000)")
    parser.add_argument("--moved", type=int, default=2_000, help="rooms written to in the last seconds (default 2000)")
    parser.add_argument("--polls", type=int, default=20, help="polls and ticks measured (default 20)")
    options = parser.parse_args()
    if not 0 < options.open <= options.rooms:
        parser.error("--open must be between 1 and --rooms")
    return options


def _fill(options: argparse.Namespace) -> list[int]:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(FILL, [options.rooms])
        cursor.execute("VACUUM ANALYZE rooms_room")
        cursor.execute(TOUCH, [options.moved])
        cursor.execute("SELECT id FROM rooms_room ORDER BY random() LIMIT %s", [options.open])
        return [row[0] for row in cursor.fetchall()]


def _queries(ids: list[int]) -> list[tuple[str, str, list[Any]]]:
    from core.limits import LIMITS  # noqa: PLC0415

    some = ids[: LIMITS.heads_a_query]
    return [
        ("what moved: with every poll", MOVED, []),
        (f"{len(some)} by name: with every poll", LISTED.format(", ".join(map(str, some))), []),
        (f"all {len(ids)} by name: without these two", NAMED, [ids]),
    ]


def _explain(name: str, statement: str, parameters: list[Any]) -> None:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        started = time.perf_counter()
        cursor.execute(statement, parameters or None)
        rows = len(cursor.fetchall())
        took = time.perf_counter() - started
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {statement}", parameters or None)
        plan = [row[0] for row in cursor.fetchall()]
    print(f"== {name}: {rows} rows, {1000 * took:.1f} ms with the way to Python and back")
    for line in plan:
        print("   ", line if len(line) < 120 else line[:100] + " …")


async def _measure(ids: list[int], options: argparse.Namespace) -> None:
    from db import database  # noqa: PLC0415
    from realtime.events import Head, Person, RoomRef  # noqa: PLC0415
    from realtime.hub import Hub  # noqa: PLC0415
    from realtime.live_room import LiveRoom  # noqa: PLC0415
    from realtime.local_users import LocalUser  # noqa: PLC0415

    hub, watcher = Hub(), LocalUser(Person(1, "ada"))
    for room_id in ids:
        room = hub.registry.rooms[room_id] = LiveRoom(RoomRef(room_id, f"room-{room_id}", direct=False))
        room.skip_to(Head(10_000))
        room.opened.set()
        room.watchers.add(watcher)
    await hub.repair.poll_heads()  # opens the connections
    print(f"== one process, {len(ids)} rooms open, {options.rooms} in the table, {options.moved} moved")
    _print("poll of the heads", [await _cost(hub.repair.poll_heads) for _ in range(options.polls)])
    for room in list(hub.registry.rooms.values())[: options.moved]:
        hub.registry.note_unread(room)
    _print("tick (one second of it is its pause)", [await _cost(hub.housekeeping.tick) for _ in range(min(5, options.polls))])
    await database.run(_close)


def _close() -> None:
    from django.db import connections  # noqa: PLC0415

    connections.close_all()


async def _cost(work: Callable[[], Awaitable[None]]) -> Cost:
    """Measure one run of `work`; a task that always wants to run measures the stall."""
    stalls: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            stalls.append(time.perf_counter() - before - 0.001)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.02)
    stalls.clear()
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    took = Cost(1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu), 1000 * max(stalls, default=0))
    watching.cancel()
    return took


def _print(name: str, costs: list[Cost]) -> None:
    middle = len(costs) // 2
    wall, cpu = (sorted(each)[middle] for each in ([cost.wall_ms for cost in costs], [cost.cpu_ms for cost in costs]))
    stalls = sorted(cost.stall_ms for cost in costs)
    print(
        f"   {name}: {wall:.1f} ms, CPU {cpu:.1f} ms (medians); stall median {stalls[middle]:.1f} ms, longest {stalls[-1]:.1f} ms"
    )


if __name__ == "__main__":
    main()
