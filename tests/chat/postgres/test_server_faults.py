"""Faults of Postgres: read-only for a while, an answer lost, a silent network.

The server needs no restart afterwards, and reports no outcome wrongly.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from traceback import format_exception
from typing import Any

import pytest
from django.db import connection, connections, transaction

import db.pool
from chat.batch import CannotStore, Stored
from chat.group_commit import GroupCommitter
from chat.models import Event
from chat.store_postgres import PostgresStore
from core.errors import FrameRefused, Unavailable
from db import database
from rooms.models import Room
from tests.chat.postgres.conftest import ReadOnly
from tests.chat.postgres.line import Line
from tests.chat.world import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("published")]

SOON_S = 1.0
SECRET = "what Ada wrote"


@pytest.fixture
async def direct() -> AsyncIterator[GroupCommitter]:
    """A writer with connections of its own."""
    made = GroupCommitter(PostgresStore())
    yield made
    await made.close()


async def refused(sending: Awaitable[Stored]) -> FrameRefused:
    with pytest.raises(FrameRefused) as error:
        await sending
    return error.value


async def test_standby_under_the_same_name_is_left_for_the_primary(
    world: World, direct: GroupCommitter, read_only: ReadOnly, published: dict[str, list[int]]
) -> None:
    await asyncio.to_thread(read_only, True)
    started = time.monotonic()
    assert isinstance(await refused(direct.submit(world.append(0, "kept"))), Unavailable)
    assert isinstance(await refused(direct.submit(world.append(0, "kept"))), Unavailable)
    assert time.monotonic() - started < 2 * SOON_S
    await asyncio.to_thread(read_only, False)
    stored = await direct.submit(world.append(0, "kept"))  # at once: the connections that could only read are gone
    assert (stored.seq, stored.duplicate) == (1, False)
    assert published == {"room-0": [1]}


async def test_the_orm_leaves_a_standby_too(world: World, read_only: ReadOnly) -> None:
    def write() -> int:
        return Room.objects.filter(id=world.rooms[0].id).update(title="new")

    def write_within_a_transaction() -> int:
        with transaction.atomic():
            return write()

    def write_slowly() -> int:
        """So that all that come together need a connection each."""
        written = write_within_a_transaction()
        time.sleep(0.05)
        return written

    await asyncio.to_thread(read_only, True)
    pool: Any = connections["default"].pool  # type: ignore[attr-defined]
    await asyncio.to_thread(pool.drain)
    reads = [database.run(Room.objects.count) for _ in range(pool.max_size)]
    assert set(await asyncio.gather(*reads)) == {len(world.rooms)}, "who reads, reads on"
    for attempt in (write, write_within_a_transaction):
        with pytest.raises(database.DatabaseUnavailable):
            await database.run(attempt)
    await asyncio.to_thread(read_only, False)
    # The pool may have connected anew while the standby had the name: the first to find one of those connections ends them all.
    deadline = time.monotonic() + 3 * SOON_S
    while True:
        writes = [database.run(write_slowly) for _ in range(pool.max_size)]
        results = await asyncio.gather(*writes, return_exceptions=True)
        if results == [1] * len(writes):
            break
        assert time.monotonic() < deadline, results


async def test_commit_is_retried_when_its_connection_ends_in_a_wait(
    world: World, direct: GroupCommitter, published: dict[str, list[int]]
) -> None:
    await direct.submit(world.append(0, "before"))
    locked, ended = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def end_whoever_waits() -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT FROM rooms_room WHERE id = %s FOR UPDATE", [world.rooms[0].id])
            loop.call_soon_threadsafe(locked.set)
            asyncio.run_coroutine_threadsafe(ended.wait(), loop).result(5)
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
            )
            return int(cursor.fetchone()[0])

    other = asyncio.create_task(database.run(end_whoever_waits))
    await locked.wait()
    sending = direct.submit(world.append(0, "kept"))
    await asyncio.sleep(0.3)  # it waits for the room
    ended.set()
    stored = await sending
    assert (stored.seq, stored.duplicate, await other) == (2, False, 1)
    assert published == {"room-0": [1, 2]}


async def test_the_orm_tells_of_a_transaction_that_was_given_up(world: World) -> None:
    def stopped() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 50")
            time.sleep(0.3)
            cursor.execute("SELECT 1")

    with pytest.raises(database.DatabaseUnavailable):
        await database.run(stopped)
    assert await database.run(Room.objects.count) == len(world.rooms)


async def test_commit_with_a_lost_answer_is_published_once(
    world: World, writer: GroupCommitter, line: Line, published: dict[str, list[int]]
) -> None:
    await writer.submit(world.append(0, "before"))
    line.lose_answers = 1
    sending = [writer.submit(world.append(number % 2, f"k{number}")) for number in range(6)]
    sending.append(writer.submit(world.append(0, "k0")))  # a real one, in the same batch
    results = await asyncio.gather(*sending)
    assert line.lose_answers == 0
    assert [result.seq for result in results] == [2, 1, 3, 2, 4, 3, 2]
    assert [result.duplicate for result in results] == [False] * 6 + [True]
    assert published == {"room-0": [1, 2, 3, 4], "room-1": [1, 2, 3]}
    again = await writer.submit(world.append(0, "k0"))
    assert (again.seq, again.duplicate) == (2, True)
    assert await database.run(Event.objects.count) == 7


async def test_key_of_another_process_is_a_duplicate_after_a_retry(
    world: World, writer: GroupCommitter, direct: GroupCommitter, line: Line
) -> None:
    await direct.submit(world.append(0, "theirs"))
    line.lose_answers = 1
    theirs, own = await asyncio.gather(writer.submit(world.append(0, "theirs")), writer.submit(world.append(0, "own")))
    assert line.lose_answers == 0
    assert [(result.seq, result.duplicate) for result in (theirs, own)] == [(1, True), (2, False)]


async def test_silent_network_is_given_up_and_used_again_when_healed(
    world: World, writer: GroupCommitter, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db.pool, "LIMIT_S", 1.5)
    await writer.submit(world.append(0, "before"))
    line.silence()
    for key in ("one", "two"):  # the first finds a connection that was good, the second finds none
        started = time.monotonic()
        assert isinstance(await refused(writer.submit(world.append(0, key))), Unavailable)
        assert 1 < time.monotonic() - started < 1.5 + SOON_S
    line.heal()
    started = time.monotonic()
    stored = [await writer.submit(world.append(0, key)) for key in ("one", "two")]
    assert time.monotonic() - started < 2 * SOON_S
    assert sorted(result.seq for result in stored) == [2, 3]


async def test_a_deadlock_is_tried_again(world: World, direct: GroupCommitter) -> None:
    """Another transaction locks the rows in the wrong order.

    The server ends one of the two, and our sender notices nothing.
    """
    await direct.submit(world.append(0, "before"))
    locked, waiting = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def wrong_order() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL deadlock_timeout = '10s'")  # the other one finds it first
            cursor.execute("SELECT FROM rooms_room WHERE id = %s FOR UPDATE", [world.rooms[1].id])
            loop.call_soon_threadsafe(locked.set)
            asyncio.run_coroutine_threadsafe(waiting.wait(), loop).result(5)
            cursor.execute("SELECT FROM rooms_room WHERE id = %s FOR UPDATE", [world.rooms[0].id])

    other = asyncio.create_task(database.run(wrong_order))
    await locked.wait()
    sending = [direct.submit(world.append(room, f"k{room}")) for room in (0, 1)]
    await asyncio.sleep(0.3)  # it holds the first row and waits for the second
    waiting.set()
    assert [result.seq for result in await asyncio.gather(*sending)] == [2, 1]
    await other


async def test_log_and_answer_hold_neither_text_nor_server_name(
    world: World,
    writer: GroupCommitter,
    direct: GroupCommitter,
    line: Line,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each kind of failure: a refused row, an unknown error, an absent server."""
    caplog.set_level("DEBUG")
    await database.run(_raise_with_the_text)
    try:
        with pytest.raises(RuntimeError) as error:
            await direct.submit(world.append(0, "k", SECRET))
    finally:
        await database.run(_raise_no_more)
    assert "a batch of the log failed" in caplog.text
    assert "P0001" in caplog.text
    assert SECRET not in caplog.text + "".join(format_exception(error.value))
    with pytest.raises(CannotStore):
        await direct._store.store([world.append(0, "k", SECRET + "\0")])
    monkeypatch.setattr(db.pool, "LIMIT_S", 1.0)
    await line.__aexit__(None, None, None)
    answer = await refused(writer.submit(world.append(0, "k", SECRET)))
    assert answer.message == "the database is away; send the same key again"
    assert SECRET not in caplog.text


def _raise_with_the_text() -> None:
    with connection.cursor() as cursor:
        cursor.execute("""
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'unforeseen' USING DETAIL = NEW.text; END $$;
            CREATE TRIGGER fail BEFORE INSERT ON chat_event FOR EACH ROW EXECUTE FUNCTION fail()
        """)


def _raise_no_more() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER fail ON chat_event; DROP FUNCTION fail")
