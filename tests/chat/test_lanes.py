"""Lanes: how many commits run at once.

A busy process has one commit for all rooms. While commits leave it idle, it has one for each half of the rooms.
"""

import asyncio
import random
from collections.abc import Sequence

import pytest

import chat.lanes
from chat.batch import PendingEvent, Result, Stored
from chat.group_commit import GroupCommitter
from realtime.publish import RoomRef
from tests.chat.world import ROOMS, World, store

pytestmark = pytest.mark.django_db(transaction=True)


class Disk:
    """The real store on a disk that syncs in `delay_s`; counts concurrent commits."""

    def __init__(self, delay_s: float) -> None:
        self.real = store()
        self.delay_s = delay_s
        # A commit that begins while this is clear waits for it.
        self.free = asyncio.Event()
        self.free.set()
        self.hanging = asyncio.Event()
        self.commits: list[set[int]] = []
        self.under_way: list[set[int]] = []
        self.most = 0

    async def store(self, batch: Sequence[PendingEvent]) -> list[Result]:
        rooms = {append.room.id for append in batch}
        assert not any(rooms & other for other in self.under_way), "a room is in two commits at a time"
        self.commits.append(rooms)
        self.under_way.append(rooms)
        self.most = max(self.most, len(self.under_way))
        hangs = None if self.free.is_set() else self.free
        try:
            results = await self.real.store(batch)
            await asyncio.sleep(self.delay_s)
            if hangs is not None:
                self.hanging.set()
                await hangs.wait()
        finally:
            self.under_way.remove(rooms)
        return results

    async def close(self) -> None:
        await self.real.close()


async def write(writer: GroupCommitter, world: World, room: int, number: int) -> list[int]:
    """`number` messages one after the other; the seqs they got."""
    return [(await writer.submit(world.append(room, f"{room}-{each}"))).seq for each in range(number)]


async def test_slow_commits_overlap_and_keep_each_rooms_order(world: World, published: dict[str, list[int]]) -> None:
    disk = Disk(0.02)
    writer = GroupCommitter(disk, lanes=2)
    seqs = await asyncio.gather(*(write(writer, world, room, 12) for room in range(ROOMS)))
    await writer.close()
    assert disk.most == 2
    assert seqs == [list(range(1, 13))] * ROOMS
    assert published == {f"room-{room}": list(range(1, 13)) for room in range(ROOMS)}


async def test_lanes_meet_again_when_commits_are_quick(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.lanes, "SPLIT_COMMITS", 10)
    disk = Disk(0.02)
    writer = GroupCommitter(disk, lanes=2)
    await asyncio.gather(*(write(writer, world, room, 12) for room in range(ROOMS)))
    assert disk.most == 2
    monkeypatch.setattr(chat.lanes, "IDLE_S", 60.0)
    for number in range(10 + chat.lanes.JUDGED):
        await writer.submit(world.append(0, f"alone-{number}"))
    disk.most = 0
    disk.commits.clear()
    await asyncio.gather(*(writer.submit(world.append(room, f"together-{room}")) for room in range(ROOMS)))
    await writer.close()
    assert disk.most == 1
    assert disk.commits == [{room.id for room in world.rooms}]


async def test_one_hung_lane_leaves_the_other_alone(world: World) -> None:
    disk = Disk(0.02)
    writer = GroupCommitter(disk, lanes=2)
    await asyncio.gather(*(write(writer, world, room, 12) for room in range(ROOMS)))
    disk.free.clear()
    hung = writer.submit(world.append(0, "hung"))
    await asyncio.wait_for(disk.hanging.wait(), 20.0)
    # Those that begin later do not hang.
    held, disk.free = disk.free, asyncio.Event()
    disk.free.set()
    stored = await asyncio.wait_for(writer.submit(world.append(1, "free")), 20.0)
    assert isinstance(stored, Stored)
    assert not hung.done()
    held.set()
    assert (await hung).seq == 13
    await writer.close()


def test_a_full_batch_takes_from_both_lanes(world_of_lanes: tuple[chat.lanes.Lanes, list[PendingEvent]]) -> None:
    lanes, appends = world_of_lanes
    for append in appends:
        lanes.add(append)
    taken = lanes.take(lanes.next(), 10)
    assert sorted({append.room.id % 2 for append in taken}) == [0, 1]
    for room in {append.room.id for append in taken}:
        assert [append.key for append in taken if append.room.id == room] == [
            append.key for append in appends if append.room.id == room
        ][: sum(append.room.id == room for append in taken)]


@pytest.fixture
def world_of_lanes() -> tuple[chat.lanes.Lanes, list[PendingEvent]]:
    """Two lanes, and many messages of one of them before few of the other."""
    rooms = [RoomRef(number, f"room-{number}", direct=False) for number in (2, 4, 3)]
    dice = random.Random(5)
    many = [dice.choice(rooms[:2]) for _ in range(40)] + [rooms[2]] * 3
    appends = [PendingEvent(room=room, author=1, author_name="ada", key=f"k{n}", text="hi") for n, room in enumerate(many)]
    return chat.lanes.Lanes(2), appends


@pytest.mark.parametrize(
    ("idle_s", "elapsed_s", "split"),
    [
        pytest.param(0.004, 0.005, True, id="a disk that syncs"),
        pytest.param(0.001, 0.001, False, id="a quick commit"),
        pytest.param(0.004, 0.040, False, id="a busy process"),
    ],
)
def test_lanes_split_while_commits_leave_the_process_idle(idle_s: float, elapsed_s: float, split: bool) -> None:
    lanes = chat.lanes.Lanes(2)
    for _ in range(chat.lanes.JUDGED):
        assert len(_next_lanes(lanes)) == 2
        lanes.note(idle_s, elapsed_s)
    assert len(_next_lanes(lanes)) == (1 if split else 2)


def _next_lanes(lanes: chat.lanes.Lanes) -> list[chat.lanes.Lane]:
    """The lanes of the commit after one message for each."""
    for room in (RoomRef(1, "one", direct=False), RoomRef(2, "two", direct=False)):
        lanes.add(PendingEvent(room=room, author=1, author_name="ada", key="k", text="hi"))
    found = lanes.next()
    lanes.take_all()
    return found
