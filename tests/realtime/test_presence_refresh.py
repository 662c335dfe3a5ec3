"""Presence over processes on a real Redis: leases, a Redis that forgets everything, a process that dies."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

import pytest
from django.conf import settings

from ops.redis_urls import shards_from_urls
from realtime import refresh
from realtime.events import Person, RoomRef
from realtime.hub import Hub
from realtime.presence import LEASE_S, RENEW_S, PresenceStore
from realtime.room import Room
from tests.support.services import Redis

ADA, BOB = Person(1, "ada"), Person(2, "bob")
ROOMS = range(1, 8)


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as running:
        yield running


class Pair:
    """A hub whose rooms Ada has joined, and the leases of another process where Bob has."""

    def __init__(self) -> None:
        self.hub, self.other = Hub(), PresenceStore("other")
        assert self.hub.store is not None
        self.store = self.hub.store
        for number in ROOMS:
            room = self.hub.rooms[number] = Room(RoomRef(number, f"room-{number}", direct=False))
            room.presence.join(ADA)
            self.store.add(number, ADA)
            self.other.add(number, BOB)

    async def write(self) -> None:
        """Both renew their leases now and write what they hold."""
        for store in (self.store, self.other):
            store._renew_at = 0.0
            await store.turn()

    def online(self) -> list[int]:
        return [room.presence.count() for room in self.hub.rooms.values()]


@pytest.fixture
async def pair(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setattr(settings, "REDIS_SHARDS", shards_from_urls([redis.url]))
    monkeypatch.setattr(settings, "INSTALLATION_ID", "test")
    monkeypatch.setattr(refresh, "TURN_S", 0.0)
    monkeypatch.setattr(refresh, "PEOPLE_A_S", math.inf)
    with redis.client() as client:
        client.flushall()
    made = Pair()
    await made.write()
    yield made
    await made.store.close()
    await made.other.close()


async def test_rooms_are_read_many_at_once(pair: Pair, redis: Redis) -> None:
    found = await pair.store.read_many(list(ROOMS))
    assert found == {number: {"other": {BOB.id: BOB.name}} for number in ROOMS}
    await pair.hub.refresh.turn()
    assert pair.online() == [2] * len(ROOMS)
    assert set(pair.hub.ticker.due) == set(pair.hub.rooms.values())


async def test_only_rooms_with_joined_sockets_are_read(pair: Pair) -> None:
    for number in (1, 2):
        pair.hub.rooms[number].presence.leave(ADA)
    await pair.hub.refresh.turn()
    assert pair.online() == [0, 0, 2, 2, 2, 2, 2]


async def test_a_redis_that_forgot_is_not_believed_and_told_again(pair: Pair, redis: Redis) -> None:
    await pair.hub.refresh.turn()
    with redis.client() as client:
        client.flushall()
    await pair.hub.refresh.turn()
    assert pair.online() == [2] * len(ROOMS), "nobody left because Redis forgot them"
    await pair.store.turn()  # at once, since the read found it out
    await pair.other._renew()
    assert await pair.store.read_many([3]) == {3: {"other": {BOB.id: BOB.name}}}
    await pair.hub.refresh.turn()
    assert pair.hub.refresh._hurry_at is not None, "all is read again soon"


async def test_a_process_whose_lease_ran_out_leaves_every_room_at_once(pair: Pair, redis: Redis) -> None:
    await pair.hub.refresh.turn()
    with redis.client() as client:
        client.zadd("hubbub:test:presence:alive", {"other": time.time() - 1})
    await pair.hub.refresh.turn()
    assert pair.online() == [1] * len(ROOMS)
    assert await pair.store.read_many([1]) == {1: {}}


async def test_who_comes_while_redis_is_asked_stays(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pair.store.read_many

    async def read_many(rooms: list[int]) -> object:
        found = await whole(rooms)
        pair.hub.rooms[1].presence.change_remote("other", [Person(3, "eve")], [])
        return found

    monkeypatch.setattr(pair.store, "read_many", read_many)
    await pair.hub.refresh.turn()
    assert pair.online() == [3, *[2] * (len(ROOMS) - 1)]


async def test_a_process_that_ends_tells_that_its_last_people_have_gone(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, object]] = []
    monkeypatch.setattr(pair.hub.bus, "send", lambda group, message: told.append((group, message["left"])))
    room = pair.hub.rooms[1]
    room.presence.take_local_change()
    room.presence.leave(ADA)
    pair.hub.ticker.presence_later(room)
    await pair.hub.stop()
    assert told == [("room.1", [ADA.id])]


async def test_redis_away_changes_nothing(pair: Pair, redis: Redis) -> None:
    await pair.hub.refresh.turn()
    redis.stop()
    try:
        await pair.hub.refresh.turn()
        assert pair.online() == [2] * len(ROOMS)
    finally:
        await asyncio.to_thread(redis.start)


async def test_a_pass_over_many_rooms_is_bounded_each_turn(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "ROOMS_A_TURN", (3, 5))
    read: list[int] = []
    whole = pair.store.read_many

    async def read_many(rooms: list[int]) -> object:
        read.extend(rooms)
        return await whole(rooms)

    monkeypatch.setattr(pair.store, "read_many", read_many)
    for _ in range(3):
        await pair.hub.refresh.turn()
    assert sorted(read) == list(ROOMS)
    pair.hub.refresh._hurry_at = 0.0
    await pair.hub.refresh.turn()
    assert len(read) == len(ROOMS) + 5


async def test_a_pass_rests_for_as_long_as_what_it_read_was_large(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "PEOPLE_A_S", 2 * len(ROOMS) / 0.3)  # two in each room
    read: list[float] = []
    whole = pair.store.read_many

    async def read_many(rooms: list[int]) -> object:
        if rooms:
            read.append(time.monotonic())
        return await whole(rooms)

    monkeypatch.setattr(pair.store, "read_many", read_many)
    async with asyncio.timeout(10):
        while len(read) < 3:
            await pair.hub.refresh.turn()
            await asyncio.sleep(0.01)
    assert all(later - earlier >= 0.29 for earlier, later in pairwise(read))
    pair.hub.refresh._hurry_at = 0.0
    await pair.hub.refresh.turn()
    assert len(read) == 4, "when something is known to be wrong it does not rest"


def test_leases_outlive_several_lost_renewals() -> None:
    assert LEASE_S >= 5 * RENEW_S


async def test_what_was_too_much_to_write_is_made_good(redis: Redis, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis was away while thousands came and went: nobody stays online who has left, and nobody is missing."""
    monkeypatch.setattr(pair.store, "_writes", asyncio.Queue(3))
    people = [Person(number, f"user-{number}") for number in range(10, 20)]
    for person in people:
        pair.store.add(1, person)
    await _written(pair.store)
    assert set((await pair.other.read(1) or {})[pair.store.process]) == {1, *range(10, 20)}
    for person in people:
        pair.store.remove(1, person)
    await _written(pair.store)
    assert set((await pair.other.read(1) or {})[pair.store.process]) == {1}
    assert "other" in (await pair.store.read(1) or {}), "another process's people are its own affair"


async def _written(store: PresenceStore) -> None:
    async with asyncio.timeout(10):
        await store.turn()
        while store._overrun:
            await store.turn()
