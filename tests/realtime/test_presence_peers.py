"""Presence announced by other processes, and the detection of silent ones."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis as Client

from realtime.presence.heartbeat import Heartbeat
from realtime.presence.peers import ASK_EVERY_S, BEAT_S, DEAD_S, DEAF_S, Peers, chunks
from tests.support.services import Redis


def heard(peers: Peers, process: str, now: float, *users: int) -> None:
    peer, _ = peers.announced(process, peers.by_process[process].number + 1 if process in peers.by_process else 1, now)
    for user in users:
        peers.add(peer, user, f"user-{user}", away=False)


def judge(peers: Peers, start: float, seconds: float, *, beating: str = "", deaf: bool = False) -> dict[str, float]:
    """Let time pass in heartbeats.

    Return the time at which each process was found dead.
    """
    found: dict[str, float] = {}
    for step in range(round(seconds / BEAT_S) + 1):
        now = start + step * BEAT_S
        if beating:
            peers.beat(beating, peers.by_process[beating].number, now)
        found |= {gone.process: now - start for gone in peers.dead(now, 0.0 if deaf else now)}
    return found


def test_silent_process_expires_in_time_with_its_people() -> None:
    peers = Peers()
    peers.dead(100.0 - BEAT_S, 100.0)
    heard(peers, "one", 100.0, 1, 2)
    heard(peers, "two", 100.0, 2)
    found = judge(peers, 100.0, 3, beating="two")
    assert DEAD_S < found["one"] <= DEAD_S + BEAT_S
    assert list(found) == ["one"]
    assert (peers.states(1), peers.states(2)) == ([], [False])


def test_process_silent_for_a_second_is_alive() -> None:
    peers = Peers()
    peers.dead(99.9, 100.0)
    heard(peers, "one", 100.0, 1)
    assert judge(peers, 100.0, 1.2) == {}


def test_own_stall_marks_no_other_process_dead() -> None:
    peers = Peers()
    peers.dead(100.0, 100.0)
    heard(peers, "one", 100.0, 1)
    assert peers.dead(105.0, 105.0) == [], "their heartbeats are still unread"
    peers.beat("one", 1, 105.1)
    assert judge(peers, 105.25, 1.0) == {}


def test_deaf_process_marks_no_process_dead() -> None:
    peers = Peers()
    heard(peers, "one", 100.0, 1)
    assert judge(peers, 100.0, 20, deaf=True) == {}
    assert judge(peers, 120.25, 1.0) == {}, "living peers have a moment to report"
    assert "one" in judge(peers, 121.5, 1.0)
    assert DEAF_S < DEAD_S


def test_goodbye_ends_a_process_after_a_moment() -> None:
    peers = Peers()
    peers.dead(100.0, 100.0)
    heard(peers, "one", 100.0, 1)
    peers.leaving("one", 100.0, 0.75)
    peers.beat("one", 1, 100.1)  # the announcement overtook it
    found = judge(peers, 100.25, 1.0)
    assert found["one"] <= 0.75


def test_missing_announcement_asks_for_the_list_once_a_second() -> None:
    peers = Peers()
    peer, ask = peers.announced("one", 7, 100.0)
    assert ask, "a new process has no known users"
    peers.begin_list(peer)
    assert peers.end_list("one", peer) is not None
    assert peers.announced("one", 8, 105.0)[1] is False
    assert peers.announced("one", 10, 105.0)[1] is True
    assert peers.announced("one", 11, 105.1)[1] is False
    assert peers.announced("one", 12, 105.1 + 2 * ASK_EVERY_S)[1] is True


def test_heartbeat_may_overtake_one_announcement() -> None:
    peers = Peers()
    peer, _ = peers.announced("one", 1, 100.0)
    peers.begin_list(peer)
    peers.end_list("one", peer)
    assert not peers.beat("one", 2, 105.0)
    peers.announced("one", 2, 105.1)
    assert not peers.beat("one", 3, 105.2)
    assert peers.beat("one", 3, 105.5), "the announcement counts as lost"


def test_list_removes_missing_people() -> None:
    peers = Peers()
    heard(peers, "one", 100.0, 1, 2, 3)
    peer, _ = peers.announced("one", 2, 100.0)
    peers.begin_list(peer)
    peers.add(peer, 1, "ada", away=False)
    peers.announced("one", 3, 100.0)
    peers.add(peer, 4, "dan", away=True)
    gone = peers.end_list("one", peer)
    assert gone is not None
    assert gone.people == {2: "user-2", 3: "user-3"}
    assert (sorted(peers), peers.states(4), peers.name(1)) == ([1, 4], [True], "ada")


def test_list_with_a_lost_piece_removes_no_people() -> None:
    peers = Peers()
    heard(peers, "one", 100.0, 1, 2)
    peer, _ = peers.announced("one", 2, 100.0)
    peers.begin_list(peer)
    peers.announced("one", 4, 100.0)
    assert peers.end_list("one", peer) is None
    assert sorted(peers) == [1, 2]


def test_chunks_are_bounded() -> None:
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(chunks([], 2)) == []


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis() as running:
        yield running


async def test_heart_beats_while_the_event_loop_stalls(redis: Redis) -> None:
    heart = Heartbeat(lambda: Client.from_url(redis.url), "beats", lambda: b"here", "check")
    async with Client.from_url(redis.url) as client, client.pubsub() as listening:
        await listening.subscribe("beats")
        await listening.get_message(timeout=5)
        heart.start()
        assert await listening.get_message(timeout=5)
        time.sleep(2)  # noqa: ASYNC251  # the stall
        beats = 0
        while await listening.get_message(timeout=0.01):
            beats += 1
        assert beats >= 2 / BEAT_S / 2
        heart.stop()
        await asyncio.sleep(0.5)
        while await listening.get_message(timeout=0.01):
            pass
        assert await listening.get_message(timeout=2 * BEAT_S) is None
