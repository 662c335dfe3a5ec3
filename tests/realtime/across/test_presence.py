"""Presence over two processes, with killed processes and Redis outages."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest

from tests.realtime.across.conftest import Circle, Pair, circle_of, start_pair
from tests.support.api import with_token
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.profile import Profile

RIGHT_WITHIN_S = 2.0


@pytest.fixture(scope="module")
def mortal(profile: Profile) -> Iterator[Pair]:
    """Two processes with workers that may be killed."""
    with ExitStack() as exits:
        yield start_pair(profile, exits)


@pytest.fixture
async def mortals(mortal: Pair) -> AsyncIterator[Circle]:
    async with AsyncExitStack() as exits:
        yield await circle_of(mortal, exits)


def worker_of(pair: Pair) -> int:
    """Return the pid of the second server's only worker."""
    (worker,) = set(pair.two.process.members()) - {pair.two.process.pid}
    return worker


async def changed(chat: ChatClient, room: str, **fields: Any) -> float:
    """Wait for a `presence` with these fields; return the seconds."""
    started = time.monotonic()
    async with asyncio.timeout(10):
        while True:
            frame = await chat.expect("presence", room=room, timeout=10)
            if all(frame.get(name) == value for name, value in fields.items()):
                return time.monotonic() - started


async def sees(chat: ChatClient, room: str, people: set[int], *, within: float) -> None:
    """Rejoin a room until these users are online there."""
    begun = time.monotonic()
    while (online := {person["id"] for person in (await chat.join(room))["online"]}) != people:
        assert time.monotonic() - begun < within, f"online: {online}"
        await asyncio.sleep(0.05)


async def test_user_is_online_in_all_their_rooms_on_any_process(circle: Circle) -> None:
    """Bob's one socket is on the other process and has joined no room."""
    rooms = [circle.room, *[await create_room(circle.pair.one.base_url, circle.ada) for _ in range(2)]]
    async with with_token(circle.pair.one.base_url, circle.ada) as http:
        for room in rooms:
            await http.post(f"/api/rooms/{room}/members", json={"user": circle.bob.id})
    here = await circle.here()
    for room in rooms:
        assert (await here.join(room))["online_count"] == 1
    there = await circle.there(join=False)
    bob = {"id": circle.bob.id, "name": circle.bob.name}
    took = await asyncio.gather(*(changed(here, room, joined=[bob], online_count=2) for room in rooms))
    assert max(took) < RIGHT_WITHIN_S
    again = await circle.connect(circle.pair.one, circle.ada, join=False)
    assert {person["id"] for person in (await again.join(rooms[1]))["online"]} == {circle.ada.id, circle.bob.id}
    await there.close()
    took = await asyncio.gather(*(changed(here, room, left=[bob], online_count=1) for room in rooms))
    assert max(took) < RIGHT_WITHIN_S


async def test_room_opened_late_lists_users_online(circle: Circle) -> None:
    await circle.there()
    eve = await sign_up(circle.pair.one.base_url)
    late = await circle.connect(circle.pair.one, eve, join=False)
    assert (await late.join(circle.room))["online_count"] == 2


async def test_new_member_appears_and_removed_one_disappears(circle: Circle) -> None:
    here = await circle.here()
    await circle.there(join=False)
    async with with_token(circle.pair.one.base_url, circle.ada) as http:
        await http.post(f"/api/rooms/{circle.room}/members", json={"user": circle.bob.id})
        assert await changed(here, circle.room, online_count=2) < RIGHT_WITHIN_S
        await http.delete(f"/api/rooms/{circle.room}/members/{circle.bob.id}")
        assert await changed(here, circle.room, online_count=1) < RIGHT_WITHIN_S


async def test_away_needs_all_sockets_of_all_processes(circle: Circle) -> None:
    here, there = await circle.here(), await circle.there()
    other = await circle.connect(circle.pair.one, circle.bob)
    await changed(here, circle.room, online_count=2)
    await there.request("activity", state="away")
    await here.expect_nothing("presence", seconds=1.5)
    await other.request("activity", state="away")
    assert await changed(here, circle.room, away=[circle.bob.id]) < RIGHT_WITHIN_S
    await there.request("activity", state="active")
    assert await changed(here, circle.room, back=[circle.bob.id]) < RIGHT_WITHIN_S


@pytest.mark.drill
async def test_people_of_a_killed_worker_are_offline_in_2_s(mortals: Circle) -> None:
    here, _ = await mortals.here(), await mortals.there()
    await changed(here, mortals.room, online_count=2)
    await asyncio.sleep(1)
    os.kill(worker_of(mortals.pair), signal.SIGKILL)
    assert await changed(here, mortals.room, online_count=1) < RIGHT_WITHIN_S
    await _serves(mortals.pair)


async def test_person_with_another_socket_survives_a_kill(mortals: Circle) -> None:
    """They were never gone: no client sees a change."""
    here, _ = await mortals.here(), await mortals.there()
    await changed(here, mortals.room, online_count=2)
    os.kill(worker_of(mortals.pair), signal.SIGKILL)
    await mortals.connect(mortals.pair.one, mortals.bob)
    await here.expect_nothing("presence", seconds=3)
    await _serves(mortals.pair)


async def test_stalled_worker_is_not_marked_dead(mortals: Circle) -> None:
    """Its sockets are still open.

    A busy host can be silent for a second.
    """
    here, _ = await mortals.here(), await mortals.there()
    await changed(here, mortals.room, online_count=2)
    worker = worker_of(mortals.pair)
    os.kill(worker, signal.SIGSTOP)
    await asyncio.sleep(0.8)
    os.kill(worker, signal.SIGCONT)
    await here.expect_nothing("presence", seconds=2)


async def test_hanging_redis_changes_no_presence(circle: Circle) -> None:
    here, _ = await circle.here(), await circle.there()
    await changed(here, circle.room, online_count=2)
    circle.pair.redis.freeze()
    try:
        await here.expect_nothing("presence", seconds=4)
    finally:
        circle.pair.redis.thaw()
    await here.expect_nothing("presence", seconds=3)


async def test_announcements_missed_by_redis_are_repeated(circle: Circle) -> None:
    here, there = await circle.here(), await circle.there()
    await changed(here, circle.room, online_count=2)
    eve = await sign_up(circle.pair.two.base_url)
    await asyncio.to_thread(circle.pair.redis.stop)
    try:
        await there.close()
        await circle.connect(circle.pair.two, eve)
        await asyncio.sleep(7)  # longer than an announcement is kept for an absent Redis
    finally:
        await asyncio.to_thread(circle.pair.redis.start)
    await sees(here, circle.room, {circle.ada.id, eve.id}, within=10)


async def test_late_process_learns_users_online(mortals: Circle) -> None:
    await mortals.here()
    await asyncio.to_thread(mortals.pair.two.stop)
    await asyncio.to_thread(mortals.pair.two.start)
    there = await mortals.there(join=False)
    await sees(there, mortals.room, {mortals.ada.id, mortals.bob.id}, within=RIGHT_WITHIN_S)


async def _serves(pair: Pair) -> None:
    """Wait until the second server has a worker again."""
    account = await sign_up(pair.one.base_url)
    for _ in range(300):
        try:
            async with ChatClient(pair.two.ws_url(), account):
                return
        except (OSError, ConnectionError):
            await asyncio.sleep(0.1)
    raise AssertionError("the second server has no worker")
