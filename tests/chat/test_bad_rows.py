"""A message that only the database refuses fails alone.

The other messages of its batch get their seq, in order, without holes.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from django.db import connection

from chat.batch import PendingEvent, Result, Stored
from chat.group_commit import GroupCommitter
from core.errors import BadFrame, Unavailable
from db import database
from rooms.models import Room
from tests.chat.world import World, store

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("published")]

REFUSED = "what only the database refuses"
ON = (
    f"ALTER TABLE chat_event ADD CONSTRAINT {{name}} CHECK (text <> '{REFUSED}')"
    if connection.vendor == "postgresql"
    else f"CREATE TRIGGER {{name}} BEFORE INSERT ON chat_event WHEN NEW.text = '{REFUSED}' BEGIN SELECT RAISE(ABORT, 'no'); END"
)
OFF = "ALTER TABLE chat_event DROP CONSTRAINT {name}" if connection.vendor == "postgresql" else "DROP TRIGGER {name}"


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
async def refusing(world: World) -> AsyncIterator[World]:
    """The world, in a database that refuses one text."""
    name = f"refuses_{secrets.token_hex(4)}"  # SQLite's other connections do not know at once that one of the name is gone
    await database.run(execute, ON.format(name=name))
    yield world
    await database.run(execute, OFF.format(name=name))


class Counting:
    """The real store; the database goes away after some trips."""

    def __init__(self, trips: int = 1_000) -> None:
        self.real, self.sizes, self._left = store(), list[int](), trips

    async def store(self, batch: Sequence[PendingEvent]) -> list[Result]:
        if not self._left:
            raise database.DatabaseUnavailable
        self._left -= 1
        self.sizes.append(len(batch))
        return await self.real.store(batch)

    async def close(self) -> None:
        await self.real.close()


async def outcomes(writer: GroupCommitter, appends: list[PendingEvent]) -> list[Stored | BaseException]:
    """The answer to each sender."""
    return await asyncio.gather(*[writer.submit(append) for append in appends], return_exceptions=True)


def batch(world: World, bad: set[int], size: int = 100) -> list[PendingEvent]:
    return [world.append(0, f"k{number}", REFUSED if number in bad else f"text {number}") for number in range(size)]


@pytest.mark.parametrize("bad", [{0}, {37}, {99}, {12, 13, 80}], ids=str)
async def test_it_fails_alone(refusing: World, published: dict[str, list[int]], bad: set[int]) -> None:
    counting = Counting()
    writer = GroupCommitter(counting)
    results = await outcomes(writer, batch(refusing, bad))
    assert {number for number, result in enumerate(results) if isinstance(result, BadFrame)} == bad
    good = [result for result in results if isinstance(result, Stored)]
    assert [result.seq for result in good] == list(range(1, 101 - len(bad)))
    assert not any(result.duplicate for result in good)
    assert published == {"room-0": [result.seq for result in good]}
    assert len(counting.sizes) <= 15 * len(bad), "halves, not one by one"
    again = await writer.submit(refusing.append(0, "next"))
    assert again.seq == len(good) + 1
    await writer.close()


async def test_one_that_nobody_can_encode_fails_alone(world: World) -> None:
    writer = GroupCommitter(store())
    results = await outcomes(writer, [world.append(0, "a"), world.append(0, "b", "lone \ud800 surrogate"), world.append(0, "c")])
    assert isinstance(results[1], BadFrame)
    assert [result.seq for result in results if isinstance(result, Stored)] == [1, 2]
    await writer.close()


async def test_messages_stored_before_an_outage_are_published(refusing: World, published: dict[str, list[int]]) -> None:
    writer = GroupCommitter(Counting(trips=2))  # the whole, which fails, and its first half
    started = time.monotonic()
    results = await outcomes(writer, batch(refusing, {80}))
    assert time.monotonic() - started < 4
    assert [result.seq for result in results[:50] if isinstance(result, Stored)] == list(range(1, 51))
    assert all(isinstance(result, Unavailable) for result in results[50:])
    assert published == {"room-0": list(range(1, 51))}
    await writer.close()


async def test_room_with_a_wrong_row_fails_alone(world: World) -> None:
    """The database looks as after a restore that lost the head.

    Clients keep their messages and send them again.
    """
    writer = GroupCommitter(store())
    await writer.submit(world.append(0, "first"))
    await database.run(lambda: Room.objects.filter(id=world.rooms[0].id).update(head=0))
    broken, whole = await outcomes(writer, [world.append(0, "second"), world.append(1, "elsewhere")])
    assert isinstance(broken, Unavailable)
    assert isinstance(whole, Stored)
    await database.run(lambda: Room.objects.filter(id=world.rooms[0].id).update(head=1))
    assert (await writer.submit(world.append(0, "second"))).seq == 2
    await writer.close()


async def test_neither_log_nor_answer_holds_the_text(refusing: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    writer = GroupCommitter(store())
    for result in await outcomes(writer, batch(refusing, {2}, size=4)):
        assert REFUSED not in str(result)
    await writer.close()
    assert "a message cannot be stored" in caplog.text
    assert REFUSED not in caplog.text
