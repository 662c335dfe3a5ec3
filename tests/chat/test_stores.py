"""Group commits: seq without holes, permanent keys, a bad row that fails alone.

Every store passes the same tests.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.db import close_old_connections, connection

from accounts.models import User
from chat.batch import CannotStore, PendingEvent, Stored
from chat.models import Event
from chat.store_orm import OrmStore
from chat.store_postgres import PostgresStore
from core.errors import NotAMember
from db import database
from realtime.publish import RoomRef
from rooms.models import Membership, Room

pytestmark = pytest.mark.django_db(transaction=True)

UNWRITABLE = [None, "lone \ud800 surrogate", *(["NUL \0"] if connection.vendor == "postgresql" else [])]
STORES = [OrmStore, PostgresStore] if connection.vendor == "postgresql" else [OrmStore]
Store = OrmStore | PostgresStore


@pytest.fixture(params=STORES, ids=lambda store: store.__name__)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    made: Store = request.param()
    yield made
    if isinstance(made, PostgresStore):
        await made.close()
    # The database threads keep their connections; the test database could not be dropped under them.
    await asyncio.gather(*(database.run(close_old_connections) for _ in range(8)))


class World:
    """Two rooms, two members, one stranger."""

    def __init__(self) -> None:
        self.ada, self.bob, self.eve = (User.objects.create(username=name) for name in ("ada", "bob", "eve"))
        self.rooms = []
        for slug in ("one", "two"):
            room = Room.objects.create(slug=slug)
            self.rooms.append(RoomRef(room.id, room.slug, direct=False))
            for user in (self.ada, self.bob):
                Membership.objects.create(room=room, user=user)

    def append(self, room: int, user: User, key: str, text: str = "hi") -> PendingEvent:
        return PendingEvent(room=self.rooms[room], author=user.id, author_name=user.username, key=key, text=text)


@pytest.fixture
async def world() -> World:
    return await database.run(World)


def seqs(room: RoomRef) -> list[int]:
    return list(Event.objects.filter(room_id=room.id).order_by("seq").values_list("seq", flat=True))


async def test_a_batch_numbers_each_room_from_one(store: Store, world: World) -> None:
    batch = [world.append(index % 2, world.ada, f"k{index}") for index in range(10)]
    results = await store.store(batch)
    assert [result.seq for result in results if isinstance(result, Stored)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    heads = await database.run(lambda: list(Room.objects.filter(slug__in=["one", "two"]).values_list("head", flat=True)))
    assert heads == [5, 5]


ODD = ["NULL", "{}", ",", '"', "\\", '\\"', "a\nb\r\t", " ", "\x7f\x01", "é\u2028\U0001f468\u200d", '{"a","b"}', "\\N", "\\\\"]


async def test_stored_message_equals_the_written_one(store: Store, world: World) -> None:
    batch = [world.append(0, world.ada, f"{number} {odd}", odd) for number, odd in enumerate(ODD)]
    for append, odd in zip(batch, reversed(ODD), strict=True):
        append.alias = odd
    await store.store(batch)
    again = await store.store(batch)
    assert [isinstance(result, Stored) and result.duplicate for result in again] == [True] * len(ODD)
    stored = await database.run(lambda: list(Event.objects.order_by("seq").values_list("key", "text", "alias")))
    assert stored == [(append.key, append.text, append.alias) for append in batch]


async def test_a_key_is_stored_once(store: Store, world: World) -> None:
    first, again, others, elsewhere = await store.store([
        world.append(0, world.ada, "k", "first"),
        world.append(0, world.ada, "k", "again"),
        world.append(0, world.bob, "k", "bob's own"),
        world.append(1, world.ada, "k", "another room"),
    ])  # fmt: skip
    assert isinstance(first, Stored)
    assert isinstance(again, Stored)
    assert isinstance(others, Stored)
    assert isinstance(elsewhere, Stored)
    assert (first.seq, again.seq, others.seq, elsewhere.seq) == (1, 1, 2, 1)
    assert [r.duplicate for r in (first, again, others, elsewhere)] == [False, True, False, False]
    (later,) = await store.store([world.append(0, world.ada, "k", "much later")])
    assert isinstance(later, Stored)
    assert later.duplicate
    assert (later.seq, later.at) == (first.seq, first.at)
    assert '"text":"first"' in later.event.text


async def test_a_key_that_comes_twice_has_the_place_of_the_first(store: Store, world: World) -> None:
    for known in (False, True):
        batch = [world.append(0, world.ada, key) for key in ("a", "b", "a", "c", "b")]
        results = await store.store(batch)
        assert [(r.seq, r.duplicate) for r in results if isinstance(r, Stored)] == [
            (1, known), (2, known), (1, True), (3, known), (2, True)
        ]  # fmt: skip


async def test_a_stranger_is_refused_alone(store: Store, world: World) -> None:
    good, bad, after = await store.store([
        world.append(0, world.ada, "a"), world.append(0, world.eve, "b"), world.append(0, world.bob, "c")
    ])  # fmt: skip
    assert isinstance(good, Stored)
    assert isinstance(bad, NotAMember)
    assert isinstance(after, Stored)
    assert (good.seq, after.seq) == (1, 2)


@pytest.mark.parametrize("text", UNWRITABLE)
async def test_unstorable_row_fails_alone_in_its_batch(store: Store, world: World, text: Any) -> None:
    """The database refuses one of the texts, and the driver cannot write the other.

    The store then accepts further messages.
    """
    with pytest.raises(CannotStore):
        await store.store(
            [world.append(0, world.ada, "a"), world.append(0, world.ada, "b", text), world.append(0, world.bob, "c")]
        )
    assert await database.run(seqs, world.rooms[0]) == []
    (next_one,) = await store.store([world.append(0, world.ada, "d")])
    assert isinstance(next_one, Stored)
    assert next_one.seq == 1


async def test_concurrent_writers_leave_no_hole(store: Store, world: World) -> None:
    other: Store = type(store)()  # as another process would
    try:
        writers = [store, other]
        users = (world.ada, world.bob)
        batches = [
            [world.append(index % 2, users[index % 2], f"{turn}-{index}") for index in range(turn % 7 + 1)] for turn in range(40)
        ]
        results = await asyncio.gather(*(writers[i % 2].store(batch) for i, batch in enumerate(batches)))
    finally:
        if isinstance(other, PostgresStore):
            await other.close()
    counts = Counter(result.room.slug for batch in results for result in batch if isinstance(result, Stored))
    for room in world.rooms:
        assert await database.run(seqs, room) == list(range(1, counts[room.slug] + 1))
    assert sum(counts.values()) == sum(map(len, batches))
