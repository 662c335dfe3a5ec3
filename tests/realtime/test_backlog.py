"""What all sockets of a process leave unread together is bounded; those that have not kept up for longest go first."""

import asyncio

import pytest
from django.conf import settings

from realtime.send_buffer_budget import Backlog

BOUND = 1_600


class Peer:
    """A socket's transport, whose reader takes what the test says."""

    def __init__(self, backlog: Backlog, paused_at: float | None = 0.0, *, closing: bool = False) -> None:
        self.backlog, self.paused_at, self.close_sent = backlog, paused_at, closing
        self.waiting = 0
        self.gone = False

    def write(self, size: int) -> None:
        self.waiting += size
        self.backlog.wrote(self, size)

    def unsent(self) -> int:
        return 0 if self.gone else self.waiting

    def cut(self) -> None:
        self.gone = True


@pytest.fixture
def backlog(monkeypatch: pytest.MonkeyPatch) -> Backlog:
    monkeypatch.setattr(settings, "LIMIT_UNSENT_BYTES", BOUND)
    return Backlog()


async def rounds() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_below_the_bound_nobody_is_cut(backlog: Backlog) -> None:
    peers = [Peer(backlog) for _ in range(10)]
    for peer in peers:
        peer.write(140)
    await rounds()
    assert not any(peer.gone for peer in peers)
    assert backlog.measure() == 1_400


async def test_above_it_those_paused_for_longest_go_and_leave_room(backlog: Backlog) -> None:
    peers = [Peer(backlog, paused_at=float(number)) for number in range(20)]
    for peer in reversed(peers):
        peer.write(100)
    await rounds()
    assert [peer.gone for peer in peers] == [True] * 8 + [False] * 12
    assert backlog.measure() == BOUND * 3 / 4


async def test_those_being_closed_anyway_go_first(backlog: Backlog) -> None:
    old, closing = Peer(backlog, paused_at=1.0), Peer(backlog, paused_at=9.0, closing=True)
    old.write(900)
    closing.write(900)
    await rounds()
    assert (old.gone, closing.gone) == (False, True)


async def test_what_was_read_meanwhile_does_not_count(backlog: Backlog) -> None:
    peer = Peer(backlog)
    for _ in range(100):
        peer.write(100)
        peer.waiting = 50
        await rounds()
    assert not peer.gone
    peer.waiting = 0
    assert backlog.measure() == 0
    assert backlog._peers == set()


async def test_the_sum_never_passes_the_bound_by_more_than_one_round(backlog: Backlog) -> None:
    peers = [Peer(backlog, paused_at=float(number)) for number in range(50)]
    for _ in range(200):
        for peer in peers:
            if not peer.gone:
                peer.write(10)
        await rounds()
        assert sum(peer.unsent() for peer in peers) <= BOUND


async def test_no_bound_cuts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "LIMIT_UNSENT_BYTES", 0)
    peer = Peer(Backlog())
    peer.write(10**9)
    await rounds()
    assert not peer.gone
