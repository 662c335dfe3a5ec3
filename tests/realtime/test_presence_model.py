"""Presence under random changes: several hubs against a plain model.

Each hub is the real one; memberships come from the model, and the layer between the hubs loses messages on
command. In the end every joined socket must agree with the model.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
from collections.abc import Awaitable, Callable, Collection, Iterable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from django.conf import settings as django_settings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core.errors import NotAMember
from db.database import DatabaseUnavailable
from realtime.dialects.native import NativeDialect
from realtime.events import Head, Page, Person, Revoked, RoomRef
from realtime.hub import Hub
from realtime.ports import Membership
from realtime.send_queue import Batch
from realtime.socket import Socket

USERS, PROCESSES = 4, 3
ROOMS = {number: RoomRef(number, f"room-{number}", direct=False) for number in (1, 2)}
STEPS = 12


class Seen:
    """A send queue that records a client's view of presence.

    room → user → away, and the last count.
    """

    writer = None

    def __init__(self) -> None:
        self.rooms: dict[str, dict[int, bool]] = {}
        self.counts: dict[str, int] = {}

    def push(self, batch: Batch) -> bool:
        for frame in map(json.loads, batch.texts):
            if frame["type"] == "room.joined":
                self.rooms[frame["room"]] = {person["id"]: person["id"] in frame["away"] for person in frame["online"]}
                self.counts[frame["room"]] = frame["online_count"]
            elif frame["type"] == "presence":
                self._change(self.rooms[frame["room"]], frame)
                self.counts[frame["room"]] = frame["online_count"]
        return True

    @staticmethod
    def _change(people: dict[int, bool], frame: dict[str, Any]) -> None:
        for person in frame["left"]:
            people.pop(person["id"], None)
        people.update((person["id"], False) for person in frame["joined"])
        people.update(dict.fromkeys(frame.get("away", ()), True))
        people.update(dict.fromkeys(frame.get("back", ()), False))

    def above_high_water(self) -> bool:
        return False

    async def drain(self) -> None:
        """Return at once: everything is read."""

    def overdue(self, now: float) -> bool:
        return False

    async def close(self, code: int, reason: str) -> None:
        """Do nothing: no socket is open."""


class Inbox:
    """One hub's end of the layer."""

    layer = None

    def __init__(self, world: World, name: str) -> None:
        self.world, self.origin = world, name
        self.waiting: list[bytes] = []
        self.ended = False

    @property
    def echoed_at(self) -> float:
        return self.world.now

    def send(self, group: str, message: dict[str, Any]) -> None:
        if self.ended:
            return
        payload = msgspec.msgpack.encode(message)
        for hub in self.world.hubs:
            if group == "people" and hub.bus is not self:
                hub.bus.waiting.append(payload)

    async def subscribe(self, groups: Iterable[str]) -> None:
        """Wait for a few steps; all ends get all messages."""
        await self.world.step()

    def unsubscribe(self, group: str) -> None:
        """Do nothing: unwanted messages are ignored."""


class World:
    """The model: the sockets of each user, and the members of each room."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now)
        patch.setattr("realtime.presence.sync.time", clock)
        for name in ("realtime.presence.sync.LINGER_S", "realtime.presence.sync.FLUSH_S", "realtime.presence.sync.EVENT_EVERY_S",
                     "realtime.presence.announcer.FLUSH_S", "realtime.presence.announcer.LIST_EVERY_S",
                     "realtime.memberships.ROOMS_READ_EVERY_S"):  # fmt: skip
            patch.setattr(name, 0.0)
        patch.setattr(django_settings, "REDIS_SHARDS", [{}])
        patch.setattr(django_settings, "LIMIT_SOCKETS_PER_USER", 0)
        patch.setattr("realtime.hub.bus_for", lambda origin, *_: Inbox(self, origin))
        for name in ("memberships", "room_opener", "presence.placing", "switches"):
            patch.setattr(f"realtime.{name}.domains", lambda: self)
        at_once = SimpleNamespace(uniform=lambda *_: 0.0005)
        patch.setattr("realtime.presence.placing.random", at_once)
        patch.setattr("realtime.memberships.random", at_once)
        self.reads_fail = 0
        self.steps = 0
        self.joining: dict[tuple[Socket, int], asyncio.Task[None]] = {}
        self.members: set[tuple[int, int]] = {(room, user) for room in ROOMS for user in range(1, USERS) if (room + user) % 2}
        self.hubs: list[Any] = [_new_hub() for _ in range(PROCESSES)]
        self.sockets: list[Any] = []
        self.LOG = self

    # --- calls of the hubs to the domains: each takes another number of the loop's steps

    async def step(self) -> None:
        self.steps += 1
        for _ in range(self.steps * 7 % 5):
            await asyncio.sleep(0)

    async def read(self) -> None:
        """Wait for an answer of the database, or fail."""
        await self.step()
        if self.reads_fail:
            self.reads_fail -= 1
            raise DatabaseUnavailable

    async def features_off(self) -> frozenset[str]:
        return frozenset()

    async def heads(self, rooms: list[int]) -> dict[int, Head]:
        await self.read()
        return dict.fromkeys(rooms, Head(0))

    async def mentions(self, user: int) -> dict[int, list[int]]:
        await self.read()
        return {}

    async def memberships(self, user: int) -> list[Membership]:
        await self.step()
        found = [Membership(ROOMS[room], 0) for room, member in sorted(self.members) if member == user]
        await self.read()
        return found

    async def members_among(self, rooms: list[int], users: Collection[int]) -> dict[int, set[int]]:
        await self.step()
        found = {room: {user for user in users if (room, user) in self.members} for room in rooms}
        await self.read()
        return found

    # --- steps

    async def begin(self) -> None:
        """Connect one user to each process, in every room of theirs."""
        for number in (0, 1, 3, 5, 7, 8):
            await self.connect(number)
        await self.wait(5)
        for number in range(5):
            await self.join(number)

    async def connect(self, number: int) -> None:
        hub, user = self.hubs[number % PROCESSES], 1 + number // PROCESSES % USERS
        socket = Socket(hub, Person(user, f"user-{user}"), "", Seen())
        socket.dialect = NativeDialect(socket, "")
        self.sockets.append(socket)
        await hub.register(socket)

    async def connect_in_vain(self, number: int) -> None:
        """Cancel a handshake, perhaps while another socket of the person comes."""
        hub, user = self.hubs[number % PROCESSES], 1 + number // PROCESSES % USERS
        socket = Socket(hub, Person(user, f"user-{user}"), "", Seen())
        socket.dialect = NativeDialect(socket, "")
        begun = asyncio.create_task(hub.register(socket))
        await asyncio.sleep(0)
        if number % 2:
            await self.connect(number)
        begun.cancel()
        await asyncio.gather(begun, return_exceptions=True)
        await hub.unregister(socket)

    async def disconnect(self, number: int) -> None:
        if self.sockets:
            socket = self.sockets.pop(number % len(self.sockets))
            socket.closed = True
            await socket.hub.unregister(socket)

    async def join(self, number: int) -> None:
        await asyncio.gather(*self._begin_joins(number))

    async def join_soon(self, number: int) -> None:
        """Start joins without waiting for their replies."""
        self._begin_joins(number)

    def _begin_joins(self, number: int) -> list[asyncio.Task[None]]:
        begun = []
        for room, socket in itertools.product(ROOMS.values(), self.sockets[number % 5 :: 5]):
            join = (socket, room.id)
            if (room.id, socket.user.id) in self.members and join not in self.joining:
                task = self.joining[join] = asyncio.create_task(self._join(socket, room))
                task.add_done_callback(functools.partial(self._end_join, join))
                begun.append(task)
        return begun

    def _end_join(self, join: tuple[Socket, int], _: asyncio.Task[None]) -> None:
        del self.joining[join]

    async def _join(self, socket: Socket, room: RoomRef) -> None:
        async def page() -> Page:
            await asyncio.sleep(0)
            if (room.id, socket.user.id) not in self.members:
                raise NotAMember("they were removed meanwhile")
            return Page(0, [], more=False, complete=True, member_count=0)

        with contextlib.suppress(NotAMember, DatabaseUnavailable):
            await socket.join(room, None, page)

    async def sweep(self, number: int) -> None:
        """Let housekeeping look for unused rooms, after a few steps of the loop."""
        for _ in range(number % 6):
            await asyncio.sleep(0)
        for hub in self.hubs:
            for room in hub.registry.rooms.values():
                hub.presence.close_unused(room)

    async def fail(self, number: int) -> None:
        """Let the next reads of memberships fail."""
        self.reads_fail = number % 4

    async def add(self, number: int) -> None:
        room, user = self._pair(number)
        self.members.add((room.id, user))
        for hub in self.hubs:
            if user in hub.registry.people:
                hub.deliver([{"kind": "member", "user": user, "room": list(room), "upto": 0}])

    async def remove(self, number: int) -> None:
        """Remove a member.

        The member's processes learn of it at once, all others by their next read of the journal.
        """
        room, user = self._pair(number)
        self.members.discard((room.id, user))
        self._revoke(room.id, user)
        for hub in self.hubs:
            hub.rows.append((room, user))

    async def poll(self, number: int) -> None:
        """Let a process read the journal."""
        hub = self.hubs[number % PROCESSES]
        rows, hub.rows = hub.rows, []
        for room, user in rows:
            if (room.id, user) not in self.members and (user in hub.registry.people or hub.presence.shows(user, room.id)):
                hub.journal._leave(user, room, "removed")

    def _pair(self, number: int) -> tuple[RoomRef, int]:
        return ROOMS[1 + number % len(ROOMS)], 1 + number // len(ROOMS) % USERS

    def _revoke(self, room: int, user: int) -> None:
        for hub in self.hubs:
            local = hub.registry.people.get(user)
            if local is not None:
                hub.revocations.act(local, Revoked(user, room=ROOMS[room]))

    async def activity(self, number: int) -> None:
        for socket in self.sockets[number % 3 :: 3]:
            socket.away = not socket.away
            if socket.local is not None:
                socket.hub.presence.activity(socket.local)

    async def arrive(self, number: int) -> None:
        hub = self.hubs[number % PROCESSES]
        some, hub.bus.waiting = hub.bus.waiting[: 1 + number % 4], hub.bus.waiting[1 + number % 4 :]
        hub.deliver([msgspec.msgpack.decode(payload) for payload in some])

    async def lose(self, number: int) -> None:
        self.hubs[number % PROCESSES].bus.waiting[: 1 + number % 4] = []

    async def kill(self, number: int) -> None:
        """Replace the process by another one; its sockets end without a message."""
        place = number % PROCESSES
        gone, self.hubs[place] = self.hubs[place], _new_hub()
        gone.bus.ended = True
        for task in gone.tasks.running:
            task.cancel()
        for task in [task for (socket, _), task in self.joining.items() if socket.hub is gone]:
            task.cancel()
        for socket in [socket for socket in self.sockets if socket.hub is gone]:
            self.sockets.remove(socket)

    async def restart(self, number: int) -> None:
        """Kill all processes at once; then everybody connects and joins again."""
        people = len(self.sockets)
        for place in range(PROCESSES):
            await self.kill(place)
        for index in range(people):
            await self.connect(index * 7 + number)
            await self.join_soon(number + index)
            if index % 3 == 0:
                await self.arrive(number + index)
                await self.sweep(number // 3 + index)

    async def wait(self, number: int) -> None:
        for _ in range(number % 6):
            await asyncio.sleep(0.0005)

    # --- the end

    async def settle(self) -> None:
        """Deliver all messages, and expire silent processes."""
        for result in await asyncio.gather(*self.joining.values(), return_exceptions=True):
            assert result is None or isinstance(result, asyncio.CancelledError), result
        for number in range(STEPS):
            await self.poll(number)
            for hub in self.hubs:
                for other in self.hubs:
                    if other is not hub:
                        hub.deliver([hub_beat(other)])
                while hub.bus.waiting:
                    await self.arrive(self.hubs.index(hub))
            for _ in range(30):
                await asyncio.sleep(0)
            await asyncio.sleep(0.002)
            self.now += 0.6
            for hub in self.hubs:
                await hub.presence.remove_dead()

    def online(self, room: int) -> dict[int, bool]:
        found: dict[int, bool] = {}
        for socket in self.sockets:
            user = socket.user.id
            if (room, user) in self.members:
                found[user] = socket.away and found.get(user, True)
        return found


def _new_hub() -> Any:
    """Return a hub with the rows of the journal that it has not read."""
    hub: Any = Hub()
    hub.rows = []
    return hub


def hub_beat(hub: Hub) -> dict[str, Any]:
    return {"kind": "beat", "process": hub.origin, "number": hub.presence.announcer.number}


STEP = st.tuples(
    st.sampled_from(["connect", "connect", "disconnect", "join", "add", "remove", "activity", "poll", "arrive", "arrive",
                     "arrive", "lose", "wait", "wait", "kill", "connect_in_vain", "restart", "join_soon", "sweep", "fail"]),
    st.integers(0, 60),
)  # fmt: skip


async def _run(steps: list[tuple[str, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        world = World(patch)
        await world.begin()
        for name, number in steps:
            step: Callable[[int], Awaitable[None]] = getattr(world, name)
            await step(number)
        await world.settle()
        for socket, room in itertools.product(world.sockets, ROOMS.values()):
            if room.slug in socket.rooms:
                truth = world.online(room.id)
                assert socket.send_queue.rooms[room.slug] == truth, (socket.user, room.slug)
                assert socket.send_queue.counts[room.slug] == len(truth)
        for hub in world.hubs:
            for task in hub.tasks.running:
                task.cancel()


async def test_room_keeps_its_people_while_a_join_waits() -> None:
    """Housekeeping looks for unused rooms while the first join waits for the database."""
    with pytest.MonkeyPatch.context() as patch:
        world = World(patch)
        for number in (0, 7):
            await world.connect(number)
        await world.wait(5)
        for number in range(PROCESSES):
            await world.arrive(number)
        (here, *_), truth = world.sockets, world.online(2)
        await world.join_soon(0)
        for _ in range(8):
            await world.sweep(1)
        await world.settle()
        assert here.send_queue.rooms[ROOMS[2].slug] == truth
        assert here.send_queue.counts[ROOMS[2].slug] == len(truth)


@pytest.mark.timeout(280)
@settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(STEP, min_size=20, max_size=60))
def test_every_client_agrees_with_the_model(steps: list[tuple[str, int]]) -> None:
    asyncio.run(_run(steps))
