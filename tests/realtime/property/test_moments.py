"""Readers that stop and processes that drain, one situation at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.realtime.property.test_mutations import a_drain_forgets_half, a_drain_takes_handshakes, too_slow_is_ignored
from tests.realtime.property.wires import WIRES
from tests.realtime.property.world import Place, World

OVER_EACH_WIRE = pytest.mark.parametrize("wire", WIRES)


@pytest.fixture
def world(here: Place) -> Iterator[World]:
    """ada-1 and bob-2 on the first process, ada-2 and bob-1 on one each.

    All have joined both rooms.
    """
    made = World(here)
    yield made
    made.close()


def stop_reading_and_be_written_to(world: World) -> None:
    """Stop a reader and send it more than all buffers hold."""
    reader, writer = world.clients[0], world.clients[3]
    assert reader.connection is not None
    reader.connection.stop_reading()
    for number in range(10):
        writer.send(world.rooms[0], f"k{number}", f"{number}".ljust(900, "."))
        world.settle()


@OVER_EACH_WIRE
def test_stalled_reader_is_closed_and_later_has_all_events(world: World) -> None:
    stop_reading_and_be_written_to(world)
    world.check()
    assert world.truth.seen["closed 4008"] == 1
    assert world.clients[0].views[world.rooms[0]].highest == 10


@OVER_EACH_WIRE
def test_check_finds_dropped_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    too_slow_is_ignored(monkeypatch)
    stop_reading_and_be_written_to(world)
    with pytest.raises(AssertionError, match=r"after|behind"):
        world.check()


@OVER_EACH_WIRE
def test_drain_hands_all_over_and_accepts_no_client(world: World) -> None:
    reader, late = world.clients[0], world.clients[1]
    reader.send(world.rooms[0], "k", "while it is asked to end")
    world.drain(world.processes[0], late)
    assert world.truth.seen["closed 1012"] == 3, "two connected sockets, and one new one"
    world.check()
    assert world.clients[3].views[world.rooms[0]].highest == 1


@OVER_EACH_WIRE
@pytest.mark.parametrize("mistake", [a_drain_forgets_half, a_drain_takes_handshakes])
def test_check_finds_a_faulty_drain(
    world: World, monkeypatch: pytest.MonkeyPatch, mistake: Callable[[pytest.MonkeyPatch], None]
) -> None:
    mistake(monkeypatch)
    world.drain(world.processes[0], world.clients[1])
    with pytest.raises(AssertionError, match=r"left with a process that drained|cut without a close frame"):
        world.check()
