"""Notes on two processes: pushes cross, and losses are repaired within 5 s.

The losses come from a killed process or from Redis.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest

from tests.features.notes.editor import Editor, note_in
from tests.realtime.across.conftest import Circle, Pair, circle_of, start_pair
from tests.support.profile import Profile

WITHIN_S = 5.0


@pytest.fixture(scope="module")
def pair(profile: Profile) -> Iterator[Pair]:
    with ExitStack() as exits:
        yield start_pair(profile, exits)


@pytest.fixture
async def circle(pair: Pair) -> AsyncIterator[Circle]:
    async with AsyncExitStack() as exits:
        yield await circle_of(pair, exits)


async def editors(circle: Circle) -> tuple[Editor, Editor]:
    here, there = await circle.here(), await circle.there()
    note = await note_in(here, circle.room)
    both = Editor(here, circle.room, note), Editor(there, circle.room, note)
    for editor in both:
        await editor.open()
    return both


async def equal(one: Editor, other: Editor) -> None:
    """Wait until both have the same text, at most WITHIN_S."""
    deadline = time.monotonic() + WITHIN_S
    while one.read_pushed() or other.read_pushed() or str(one) != str(other):
        assert time.monotonic() < deadline, (str(one), str(other))
        await asyncio.sleep(0.05)


async def test_edits_and_cursors_cross_at_once(circle: Circle) -> None:
    here, there = await editors(circle)
    begun = time.monotonic()
    for number in range(20):
        await here.type(f"{number} ")
        await there.until(str(here))
    assert time.monotonic() - begun < 10, "the repair was quicker than the layer"
    await here.chat.push("note.cursor", room=circle.room, note=here.note, client=1, anchor="AQ==", head="AQ==")
    (value,) = (await there.chat.expect("live", topic="note.cursor"))["values"]
    assert value["value"]["anchor"] == "AQ=="


async def test_edits_without_redis_arrive(circle: Circle) -> None:
    here, there = await editors(circle)
    circle.pair.redis.stop()
    try:
        await asyncio.gather(here.type("one "), there.type("two "))
        await equal(here, there)
        assert sorted(str(here).split()) == ["one", "two"]
    finally:
        circle.pair.redis.start()


async def test_kill_between_store_and_push_loses_nothing(circle: Circle) -> None:
    """Store an update as the killed process did, without a push."""
    here, there = await editors(circle)
    await here.type("told. ")
    await there.until("told. ")
    here.write("stored only.")
    circle.pair.one.shell(
        "from features.notes.services import Incoming, updates_store;"
        "from realtime.publish import Person, RoomRef;"
        "from rooms.models import Room;"
        f"room = Room.objects.get(slug={circle.room!r});"
        f"one = Incoming(Person({circle.ada.id}, 'ada'), {here.unsent[0]!r});"
        f"print(updates_store(RoomRef(room.id, room.slug, False), {here.note}, [one]))"
    )
    await there.until("told. stored only.", timeout=WITHIN_S)


async def test_killed_worker_costs_its_editors_nothing(circle: Circle) -> None:
    here, there = await editors(circle)
    await here.type("before ")
    await there.until("before ")
    typing = asyncio.create_task(_type_until_cut(here))
    await asyncio.sleep(0.5)
    circle.pair.one.kill()
    await typing
    circle.pair.one.start()
    back = await circle.here()
    here.chat = back
    await here.open()
    await there.type("after")
    await equal(here, there)
    assert "before" in str(here)
    assert "after" in str(here)
    assert str(here).count("x") > 3, "too little was typed"


async def _type_until_cut(editor: Editor) -> None:
    """Type as fast as the page sends, until the connection is cut.

    The next opening sends an update of unknown outcome again.
    """
    while True:
        editor.write("x")
        try:
            await editor.flush()
            await asyncio.sleep(0.05)
        except (ConnectionError, OSError, TimeoutError):
            return
        except Exception as error:
            if type(error).__name__ in {"ConnectionClosedError", "ConnectionClosedOK"}:
                return
            raise
