"""The unsent bytes of all sockets of a process are bounded.

Those behind for longest are evicted first.
"""

import asyncio

import pytest
from django.conf import settings

from realtime.send_buffer_budget import SendBufferBudget

pytestmark = pytest.mark.once

BOUND = 1_600


class Peer:
    """A socket's transport with a reader under the test's control."""

    def __init__(self, send_budget: SendBufferBudget, paused_at: float | None = 0.0, *, closing: bool = False) -> None:
        self.send_budget, self.paused_at, self.close_sent = send_budget, paused_at, closing
        self.waiting = 0
        self.gone = False

    def write(self, size: int) -> None:
        self.waiting += size
        self.send_budget.record(self, size)

    def unsent(self) -> int:
        return 0 if self.gone else self.waiting

    def evict(self) -> None:
        self.gone = True


@pytest.fixture
def send_budget(monkeypatch: pytest.MonkeyPatch) -> SendBufferBudget:
    monkeypatch.setattr(settings, "LIMIT_UNSENT_BYTES", BOUND)
    return SendBufferBudget()


async def rounds() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_no_socket_is_evicted_below_the_bound(send_budget: SendBufferBudget) -> None:
    peers = [Peer(send_budget) for _ in range(10)]
    for peer in peers:
        peer.write(140)
    await rounds()
    assert not any(peer.gone for peer in peers)
    assert send_budget.measure() == 1_400


async def test_sockets_paused_for_longest_are_evicted_first(send_budget: SendBufferBudget) -> None:
    peers = [Peer(send_budget, paused_at=float(number)) for number in range(20)]
    for peer in reversed(peers):
        peer.write(100)
    await rounds()
    assert [peer.gone for peer in peers] == [True] * 8 + [False] * 12
    assert send_budget.measure() == BOUND * 3 / 4


async def test_closing_sockets_are_evicted_first(send_budget: SendBufferBudget) -> None:
    old, closing = Peer(send_budget, paused_at=1.0), Peer(send_budget, paused_at=9.0, closing=True)
    old.write(900)
    closing.write(900)
    await rounds()
    assert (old.gone, closing.gone) == (False, True)


async def test_acknowledged_bytes_do_not_count(send_budget: SendBufferBudget) -> None:
    peer = Peer(send_budget)
    for _ in range(100):
        peer.write(100)
        peer.waiting = 50
        await rounds()
    assert not peer.gone
    peer.waiting = 0
    assert send_budget.measure() == 0
    assert send_budget._peers == set()


async def test_sum_exceeds_the_bound_by_one_round_at_most(send_budget: SendBufferBudget) -> None:
    peers = [Peer(send_budget, paused_at=float(number)) for number in range(50)]
    for _ in range(200):
        for peer in peers:
            if not peer.gone:
                peer.write(10)
        await rounds()
        assert sum(peer.unsent() for peer in peers) <= BOUND


async def test_zero_bound_evicts_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "LIMIT_UNSENT_BYTES", 0)
    peer = Peer(SendBufferBudget())
    peer.write(10**9)
    await rounds()
    assert not peer.gone
