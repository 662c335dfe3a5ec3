"""The queue before the log, and how readers and writers of a room interact."""

import asyncio
import random
import threading
import time
from collections.abc import Sequence

import pytest
from django.db import connection, transaction

import chat.group_commit
import chat.lanes
import core.write_coalescer
from chat import history, joins
from chat.batch import PendingEvent, Result, Stored
from chat.group_commit import GroupCommitter
from core.errors import Unavailable
from db import database
from realtime.publish import Head
from rooms.models import Room
from tests.chat.world import ROOMS, World, store
from tests.support.refusals import refused

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("published")]


class Hanging:
    """A store whose database answers on request."""

    def __init__(self) -> None:
        self.real = store()
        self.answers = asyncio.Event()

    async def store(self, batch: Sequence[PendingEvent]) -> list[Result]:
        results = await self.real.store(batch)
        await self.answers.wait()
        return results

    async def close(self) -> None:
        await self.real.close()


async def test_a_full_queue_refuses_at_once_and_nothing_that_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.lanes, "QUEUE", 3)
    hanging = Hanging()
    writer = GroupCommitter(hanging)
    waiting = [writer.submit(world.append(0, "first"))]
    await asyncio.sleep(0.01)  # it is with the database now
    waiting += [writer.submit(world.append(0, f"k{number}")) for number in range(3)]
    before = refused("queue")
    with pytest.raises(Unavailable):
        writer.submit(world.append(0, "one too many"))
    assert refused("queue") == before + 1
    hanging.answers.set()
    results = await asyncio.gather(*waiting)
    assert [result.seq for result in results] == [1, 2, 3, 4]
    await writer.close()


@pytest.mark.parametrize("text", ["x" * 4_000, "é" * 1_000], ids=["ascii", "wider"])
async def test_queue_full_of_text_refuses_until_it_has_drained(world: World, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(chat.lanes, "QUEUE_BYTES", 10_000)
    hanging = Hanging()
    writer = GroupCommitter(hanging)
    for turn in range(2):
        waiting = [writer.submit(world.append(0, f"{turn}-first", text))]
        await asyncio.sleep(0.01)  # it is with the database now
        waiting += [writer.submit(world.append(0, f"{turn}-{number}", text)) for number in range(2)]
        with pytest.raises(Unavailable):
            writer.submit(world.append(0, "too much", text))
        hanging.answers.set()
        assert [result.seq for result in await asyncio.gather(*waiting)] == [3 * turn + 1, 3 * turn + 2, 3 * turn + 3]
        hanging.answers.clear()
    hanging.answers.set()
    await writer.close()


async def test_texts_that_were_given_up_make_room_for_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.lanes, "QUEUE_BYTES", 10_000)
    monkeypatch.setattr(chat.group_commit, "ANSWER_S", 0.2)
    hanging = Hanging()
    writer = GroupCommitter(hanging)
    waiting = [writer.submit(world.append(0, "first"))]
    await asyncio.sleep(0.01)
    waiting += [writer.submit(world.append(0, f"k{number}", "x" * 5_000)) for number in range(2)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    monkeypatch.setattr(chat.group_commit, "ANSWER_S", 5.0)
    more = [writer.submit(world.append(0, f"again-{number}", "x" * 5_000)) for number in range(2)]
    hanging.answers.set()
    assert [result.seq for result in await asyncio.gather(*more)] == [2, 3]
    await writer.close()


async def test_failing_timer_costs_no_event_its_answer(world: World) -> None:
    class Due(Hanging):
        """Commits polls, say: the server has to act on each."""

        async def store(self, batch: Sequence[PendingEvent]) -> list[Result]:
            results = await super().store(batch)
            for result in results:
                assert isinstance(result, Stored)
                result.due = result.at
            return results

    def fail(_: object) -> None:
        raise RuntimeError

    store_ = Due()
    store_.answers.set()
    writer = GroupCommitter(store_)
    writer.on_due = fail
    for turn in range(2):
        results = await asyncio.wait_for(asyncio.gather(*(writer.submit(world.append(0, f"{turn}-{n}")) for n in range(2))), 5)
        assert [result.seq for result in results] == [2 * turn + 1, 2 * turn + 2]
    await writer.close()


async def test_while_many_sockets_are_to_be_written_to_a_batch_grows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Measuring(Hanging):
        async def store(self, batch: Sequence[PendingEvent]) -> list[Result]:
            sizes.append(len(batch))
            return await super().store(batch)

    class Quiet:
        def flush(self) -> None:
            """Has nothing to send."""

    monkeypatch.setattr(core.write_coalescer, "SLICE", 1)
    measuring = Measuring()
    measuring.answers.set()
    writer = GroupCommitter(measuring)
    waiting = []
    for number in range(core.write_coalescer.BACKLOG + 100):
        core.write_coalescer.write_coalescer().add(Quiet())
        if number % 100 == 0:
            waiting.append(writer.submit(world.append(0, f"k{number}")))
    for number in range(50):
        await asyncio.sleep(0)
        waiting.append(writer.submit(world.append(0, f"later {number}")))
    results = await asyncio.gather(*waiting)
    assert sizes == [len(waiting)]
    assert [result.seq for result in results] == list(range(1, len(waiting) + 1))
    await writer.close()


async def test_closing_waits_for_the_running_commit_beyond_its_limit(world: World) -> None:
    hanging = Hanging()
    writer = GroupCommitter(hanging)
    sending = writer.submit(world.append(0, "k"))
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0.01)
    with pytest.raises(Unavailable):
        writer.submit(world.append(0, "too late"))
    assert not closing.done()
    hanging.answers.set()
    assert (await sending).seq == 1
    await closing
    assert chat.group_commit.CLOSE_S > chat.group_commit.ANSWER_S + database.LIMIT_S


@pytest.mark.parametrize("ended_by", ["its limit", "the process"])
async def test_messages_left_at_the_close_fail_as_unavailable(
    world: World, monkeypatch: pytest.MonkeyPatch, ended_by: str
) -> None:
    monkeypatch.setattr(chat.group_commit, "CLOSE_S", 0.2 if ended_by == "its limit" else 10)
    hanging = Hanging()
    writer = GroupCommitter(hanging)
    sending = [writer.submit(world.append(0, "being committed"))]
    await asyncio.sleep(0.01)
    sending.append(writer.submit(world.append(0, "queued")))
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0.01)
    if ended_by == "the process":
        closing.cancel()
    results = await asyncio.wait_for(asyncio.gather(*sending, return_exceptions=True), 2)
    assert all(isinstance(result, Unavailable) for result in results)
    hanging.answers.set()
    await asyncio.gather(closing, return_exceptions=True)
    await hanging.close()


async def test_hanging_database_is_unavailable_and_the_key_resolves_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.group_commit, "ANSWER_S", 0.3)
    hanging = Hanging()
    writer = GroupCommitter(hanging)
    started = time.monotonic()
    with pytest.raises(Unavailable):
        await writer.submit(world.append(0, "k"))
    assert 0.2 < time.monotonic() - started < 2
    hanging.answers.set()
    again = await writer.submit(world.append(0, "k"))
    assert (again.seq, again.duplicate) == (1, True)
    await writer.close()


@pytest.mark.fleet
async def test_batches_that_overlap_in_any_order_never_deadlock(world: World) -> None:
    """Four processes, each with batches over the same rooms in an order of its own."""
    before = await database.run(_deadlocks)
    stores = [store() for _ in range(4)]
    # As a process has them under way (chat/lanes.py).
    turns = [asyncio.Semaphore(2) for _ in stores]
    dice = random.Random(7)

    async def commit(number: int) -> Sequence[Result]:
        rooms = [dice.randrange(ROOMS) for _ in range(12)]
        async with turns[number % 4]:
            return await stores[number % 4].store([world.append(room, f"{number}-{index}") for index, room in enumerate(rooms)])

    results = [result for batch in await asyncio.gather(*map(commit, range(60))) for result in batch]
    assert all(isinstance(result, Stored) for result in results)
    heads = await database.run(lambda: list(Room.objects.filter(slug__startswith="room-").values_list("head", flat=True)))
    assert sum(heads) == len(results) == 720
    assert await database.run(_deadlocks) == before
    for each in stores:
        await each.close()


async def test_a_resume_waits_for_nobody_who_writes(world: World) -> None:
    """A page waits neither for the lock of the room's row nor for any write.

    The write may be under way anywhere in the database.
    """
    real = store()
    await real.store([world.append(0, f"k{number}") for number in range(3)])
    locked, done = threading.Event(), threading.Event()
    holder = threading.Thread(target=_hold, args=(world.models[0].id, locked, done))
    holder.start()
    try:
        assert await asyncio.to_thread(locked.wait, 5)
        started = time.monotonic()
        room = world.rooms[0]
        page = await joins.page_of(world.ada.id, room, 1)
        latest = await joins.page_of(world.ada.id, room, None)
        heads = await history.heads([room.id])
        assert time.monotonic() - started < 1
    finally:
        done.set()
        holder.join(10)
    assert (page.head, [event.seq for event in page.events], page.more) == (3, [2, 3], False)
    assert (latest.head, heads) == (3, {room.id: Head(3)})
    await real.close()


def _hold(room: int, locked: threading.Event, done: threading.Event) -> None:
    """What a group commit does to the row, for longer than any."""
    try:
        with transaction.atomic():
            Room.objects.select_for_update().get(id=room)
            Room.objects.filter(id=room).update(head=99)
            locked.set()
            done.wait(10)
            transaction.set_rollback(True)
    finally:
        connection.close()


def _deadlocks() -> int:
    """So far, other tests' among them; SQLite has none."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
