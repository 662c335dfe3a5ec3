"""Streams whose client goes away, against a real hub."""

import asyncio
import time

import pytest

from core.limits import LIMITS
from realtime import hub as hubs
from realtime import streams
from realtime.events import Person
from realtime.send_queue import MAX_AGE_S, Batch
from tests.realtime.test_presence_model import World

EVE = Person(3, "user-3")


async def _open(patch: pytest.MonkeyPatch) -> tuple[World, streams.Stream]:
    world = World(patch)
    hubs.current.put(asyncio.get_running_loop(), world.hubs[0])
    return world, await streams.open_stream(EVE, "token:1", "192.0.2.1")


async def _gone(world: World) -> None:
    for _ in range(2_000):
        if EVE.id not in world.hubs[0].registry.people:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("she still counts as here")


async def test_stream_whose_answer_never_begins_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client has gone between the request and the answer."""
    monkeypatch.setattr(streams, "BEGIN_S", 0.01)
    world, stream = await _open(monkeypatch)
    assert streams.find(stream.id, EVE.id) is stream
    await _gone(world)
    assert streams.find(stream.id, EVE.id) is None


async def test_stream_closed_before_its_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has read it for too long."""
    world, stream = await _open(monkeypatch)
    await stream.close(4008, "reads too slowly; resume")
    await _gone(world)


async def test_answer_that_began_outlives_the_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BEGIN_S", 0.01)
    world, stream = await _open(monkeypatch)
    answer = streams.StreamBody(stream, "", ())
    body = aiter(answer)
    assert b'"hello"' in await anext(body)
    await asyncio.sleep(0.05)
    assert streams.find(stream.id, EVE.id) is stream
    await asyncio.to_thread(answer.close)  # as Django does at the end of a response
    await _gone(world)


async def test_resume_ends_with_a_reader_who_took_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resume waits for its reader, and this reader has gone."""
    world, stream = await _open(monkeypatch)
    stream.push(Batch(["x"]))
    # Too long a name is refused without the database: there is none here, and its fault would close the stream.
    resuming = asyncio.create_task(stream.resume(f"another-epoch,{'x' * 500}:3", ()))
    await asyncio.sleep(0.5)
    assert not resuming.done()
    stream.forget()
    await asyncio.wait_for(resuming, 5)
    await _gone(world)


async def test_name_of_a_stream_tells_whose_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    _, stream = await _open(monkeypatch)
    assert streams.is_of(stream.id, EVE.id)
    assert not streams.is_of(stream.id, 33)
    assert not streams.is_of("made-up", EVE.id)


async def test_stalled_stream_is_full_and_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub then closes it, as a socket that reads too slowly."""
    _, stream = await _open(monkeypatch)
    assert stream.push(Batch(["x" * 1_000]))
    assert not stream.overdue(time.monotonic())
    assert stream.overdue(time.monotonic() + MAX_AGE_S + 1)
    assert not stream.push(Batch(["x" * LIMITS.send_queue_bytes]))
