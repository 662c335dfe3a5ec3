"""Cost and frames of a repair: the real hubs, one situation at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import chat.history
from tests.realtime.property.client import Client
from tests.realtime.property.test_mutations import a_join_forgets_what_came_meanwhile, an_overflowing_join_says_nothing
from tests.realtime.property.world import SMALL, Place, World


@pytest.fixture
def world(here: Place) -> Iterator[World]:
    """Three readers on the first process, a writer on the second.

    All have joined the first room.
    """
    made = World(here)
    for client, process in zip(made.clients, (0, 0, 0, 1), strict=True):
        if client.connection is not None:
            client.connection.drop(noticed=True)
        client.connect(made.processes[process])
        made.settle()
    made.advance(2.0)
    for each in made.processes:  # all presence changes are announced by now
        each.deliver(len(each.end.inbox))
    yield made
    made.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the reads of the log."""
    counted: Counter[str] = Counter()
    whole = chat.history.events

    async def events(*arguments: Any) -> Any:
        counted["events"] += 1
        return await whole(*arguments)

    monkeypatch.setattr(chat.history, "events", events)
    return counted


def write(world: World, number: int) -> None:
    writer = world.clients[3]
    for _ in range(number):
        writer.send(world.rooms[0], f"k{len(world.truth.asked)}", "hi")
        world.settle()
        world.processes[2].deliver(1)


def highest(world: World) -> list[int]:
    return [client.views[world.rooms[0]].highest for client in world.clients[:3]]


def readers_process(world: World) -> Any:
    return world.processes[0]


def test_one_read_repairs_a_room_for_all_its_sockets(world: World, reads: Counter[str]) -> None:
    write(world, 2)
    readers_process(world).end.inbox.clear()
    assert highest(world) == [0, 0, 0]
    world.advance(3.0)
    assert highest(world) == [2, 2, 2]
    assert reads["events"] == 1
    world.check()


def test_gap_is_read_before_the_next_poll(world: World, reads: Counter[str]) -> None:
    write(world, 3)
    del readers_process(world).end.inbox[1]
    readers_process(world).deliver(9)
    world.advance(0.005)
    assert highest(world) == [1, 1, 1]
    world.advance(0.1)
    assert highest(world) == [3, 3, 3]
    assert reads["events"] == 1
    world.check()


def test_late_event_needs_no_read(world: World, reads: Counter[str]) -> None:
    write(world, 2)
    inbox = readers_process(world).end.inbox
    inbox.reverse()
    readers_process(world).deliver(1)
    readers_process(world).deliver(1)
    world.advance(3.0)
    assert highest(world) == [2, 2, 2]
    assert reads["events"] == 0


def test_too_large_repair_is_a_gap_for_the_client(world: World) -> None:
    write(world, SMALL.held_events + 4)
    readers_process(world).end.inbox.clear()
    world.advance(3.0)
    assert world.truth.seen["gap"] == 3
    assert world.truth.seen["page with more"] > 0
    assert highest(world) == [SMALL.held_events + 4] * 3
    world.check()


def test_restored_layer_repairs_before_the_next_poll(world: World) -> None:
    write(world, 1)
    readers_process(world).end.cut()
    readers_process(world).restore_layer(resend=False)
    world.advance(0.5)
    assert highest(world) == [1, 1, 1]


def test_resume_pages_during_new_events(world: World) -> None:
    """Join through an unused third process, from the beginning of the log."""
    write(world, 8)
    room = world.rooms[0]
    late: Client = world.clients[0]
    assert late.connection is not None
    late.connection.drop(noticed=True)
    del late.views[room]
    late.connect(world.processes[2])
    world.settle()
    late.views[room].base, late.views[room].events = 0, []
    world.processes[2].loop.hold = "answers"
    late.join(room)
    for _ in range(40):
        world.processes[2].loop.settle()
        world.processes[2].loop.tell_one(0)
        write(world, 1)
    world.processes[2].loop.release()
    world.check()
    assert late.views[room].base == 0
    assert late.views[room].highest == 48


def test_events_during_a_page_read_follow_it(world: World) -> None:
    """No event is lost, and no event of the page is repeated."""
    _join_amid_messages(world)
    world.check()
    assert world.clients[0].views[world.rooms[0]].highest == 5


def test_check_finds_a_join_that_drops_later_events(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a_join_forgets_what_came_meanwhile(monkeypatch)
    _join_amid_messages(world)
    with pytest.raises(AssertionError, match="behind"):
        world.check()


def test_check_finds_a_silent_join_overflow(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    an_overflowing_join_says_nothing(monkeypatch)
    _join_amid_messages(world, SMALL.held_events + 2)
    with pytest.raises(AssertionError):
        world.check()


def _join_amid_messages(world: World, number: int = 3) -> None:
    write(world, 2)
    process = readers_process(world)
    process.deliver(9)
    process.loop.hold = "answers"
    world.clients[0].join(world.rooms[0])
    process.loop.settle()
    # A join reads the head first and must keep all events written after that.
    while process.loop.queries and not any("_answer_states" in repr(query.function) for query in process.loop.queries):
        process.loop.tell_one(0)
    write(world, number)
    process.deliver(99)
    process.loop.release()
