"""What happens while a room is read, or a person.

A membership ends, an event is committed, the database goes away.
"""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import Close
from db.database import DatabaseUnavailable
from realtime import hub as hubs
from realtime import journal as journals
from realtime.events import LogEvent, News, Person, Revoked, RoomRef, encode
from realtime.hub import Hub
from realtime.live_room import LiveRoom
from realtime.local_users import LocalUser, Spent
from realtime.send_queue import Batch
from realtime.socket import Socket

pytestmark = pytest.mark.once

ADA = Person(1, "ada")
ROOM = RoomRef(7, "dm-1-2", direct=True)


class Dialect:
    """Of the kind without history: it sends the seqs."""

    signals = False

    @staticmethod
    def encode(room: RoomRef, event: LogEvent) -> str:
        return f"{event.seq}"

    encode_own = encode


class Listener:
    """A socket of ada's, as far as rooms know one."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.user, self.dialect = hub, ADA, Dialect()
        self.closed, self.state = False, dict[str, Any]()
        self.rooms: dict[str, LiveRoom] = {}
        self.send_queue = SimpleNamespace(writer=None, push=self._push)
        self.pushed: list[str] = []
        self.ended: list[Close] = []
        self.removed: list[RoomRef] = []

    def _push(self, batch: Batch) -> bool:
        self.pushed += batch.texts
        return True

    def push_batch(self, batch: Batch) -> None:
        self._push(batch)

    def close_soon(self, code: Close, reason: str) -> None:
        self.closed = True
        self.ended.append(code)

    def removed_from(self, room: RoomRef) -> None:
        self.removed.append(room)


class World:
    """A hub with one room, whose log is read when `go_on` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub, self.go_on = Hub(), asyncio.Event()
        self.room = self.hub.registry.rooms[ROOM.id] = LiveRoom(ROOM)
        self.room.last_seq = 2
        self.room.opened.set()
        listener: Any = Listener(self.hub)
        self.listener = listener
        self.local = self.hub.registry.people[ADA.id] = LocalUser(ADA)
        self.local.sockets.add(self.listener)
        monkeypatch.setattr(hubs, "domains", lambda: SimpleNamespace(LOG=SimpleNamespace(events=self._events)))
        monkeypatch.setattr(self.hub.presence, "joined", lambda *_: None)
        monkeypatch.setattr(self.hub.presence, "removed", lambda *_: None)

    async def _events(self, spans: dict[int, tuple[int, int]]) -> dict[int, list[LogEvent]]:
        await self.go_on.wait()
        return {room: [event(seq) for seq in range(after + 1, min(upto, after + 1) + 1)] for room, (after, upto) in spans.items()}


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def event(seq: int) -> LogEvent:
    return LogEvent(seq, encode({"type": "message", "room": ROOM.slug, "seq": seq}), 2, f"k{seq}")


async def attaching(world: World) -> asyncio.Task[None]:
    task = asyncio.create_task(world.hub.attach_from(world.listener, ROOM, 0))
    while world.listener not in world.room.joining:  # noqa: ASYNC110
        await asyncio.sleep(0)
    return task


async def test_events_of_a_new_direct_room_come_in_order_and_whole(world: World) -> None:
    task = await attaching(world)
    world.hub._on_log(world.room, [event(3)])
    world.go_on.set()
    await task
    world.hub._on_log(world.room, [event(4)])
    assert world.listener.pushed == ["1", "2", "3", "4"], "two pages, the event during the read, the event after it"


async def test_ended_membership_ends_the_read_of_a_new_room(world: World) -> None:
    task = await attaching(world)
    world.hub.revocations.act(world.local, Revoked(ADA.id, room=ROOM, reason="removed"))
    world.go_on.set()
    await task
    world.hub._on_log(world.room, [event(3)])
    assert "3" not in world.listener.pushed
    assert world.listener.ended == [Close.RESTART]


@pytest.mark.parametrize("ended", [True, False])
async def test_room_left_while_a_socket_opens_is_no_room_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, *, ended: bool
) -> None:
    world.hub.registry.ended[world.listener] = set()

    async def open_many(refs: list[RoomRef]) -> list[LiveRoom]:
        if ended:
            world.hub.revocations.act(world.local, Revoked(ADA.id, room=ROOM, reason="removed"))
        return [world.room]

    monkeypatch.setattr(world.hub.opener, "open_many", open_many)
    await Socket.attach(world.listener, [ROOM])
    assert world.listener.removed == ([ROOM] if ended else [])
    assert (ROOM.slug in world.listener.rooms) is not ended


async def test_read_mark_of_a_room_that_was_left_makes_no_member(world: World) -> None:
    message = {"room": ROOM.id, "upto": 2, "slug": ROOM.slug, "head": 2}
    world.local.add_room(ROOM, 0, 0)
    world.hub._on_mark(world.local, message)
    assert world.local.last_read == {ROOM.id: 2}
    world.local.forget_room(ROOM)
    world.hub._on_mark(world.local, message)
    assert not world.local.is_in(ROOM.id)


async def test_check_of_a_new_socket_is_made_up_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, checked, away = world.hub.journal, list[set[int]](), [True]

    async def state(users: set[int], *_: object) -> object:
        if away.pop() if away else False:
            raise DatabaseUnavailable("away")
        return SimpleNamespace()

    async def news(*_: object) -> News:
        return News([], [], [])

    monkeypatch.setattr(journals, "domains", lambda: SimpleNamespace(state=state, journal=news))
    monkeypatch.setattr(journal._switches, "known", True)
    monkeypatch.setattr(journal, "_act_on_people", lambda users, _state: checked.append(users))
    await journal._check_person(ADA.id)
    assert checked == []
    await journal.read()
    await journal.read()
    assert checked == [{ADA.id}], "once"


def test_new_socket_renews_no_limit(settings: Any) -> None:
    settings.LIMIT_MESSAGES_PER_S = 1
    spent, first = Spent(), LocalUser(ADA)
    assert first.bucket.take()
    spent.keep(first)
    second = LocalUser(ADA)
    spent.give_back(second)
    assert not second.bucket.take()
    other = LocalUser(Person(2, "bob"))
    spent.give_back(other)
    assert other.bucket.take()


async def test_rooms_of_who_comes_and_goes_are_read_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading may be of 500 rooms, and other people's look-ups wait behind it."""
    monkeypatch.setattr("realtime.memberships.ROOMS_READ_EVERY_S", 0.5)
    read: list[float] = []

    async def rooms(_: int) -> list[Any]:
        read.append(asyncio.get_running_loop().time())
        return []

    async def mentions(_: int) -> dict[int, list[int]]:
        return {}

    monkeypatch.setattr("realtime.memberships.domains", lambda: SimpleNamespace(memberships=rooms, mentions=mentions))
    memberships, spent = Hub().memberships, Spent()
    watching = []
    for _ in range(5):
        local = LocalUser(ADA)
        spent.give_back(local)
        local.sockets.add(object())  # type: ignore[arg-type]
        watching.append(asyncio.create_task(memberships.watch(local, time.monotonic())))
        await asyncio.sleep(0.01)
        local.sockets.clear()
        spent.keep(local)
    await asyncio.gather(*watching)
    assert len(read) == 1
    spent.give_back(stays := LocalUser(ADA))
    stays.sockets.add(object())  # type: ignore[arg-type]
    await memberships.watch(stays, time.monotonic())
    assert len(read) == 2
    assert read[1] - read[0] > 0.49


def test_limits_of_few_people_without_sockets_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.local_users.MOST_SPENT", 2)
    spent = Spent()
    for number in range(4):
        local = LocalUser(Person(number, "one"))
        spent.keep(local)  # as good as new
        local.bucket.take(20)
        spent.keep(local)
    assert list(spent._of) == [2, 3]
