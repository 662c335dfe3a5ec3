"""Limit the unsent bytes of all sockets of a process together.

A thousand stalled readers may hold a thousand times the bound of one send queue. Above LIMIT_UNSENT_MB the connections that
have stalled for longest are dropped with their unsent bytes; a close frame would have to wait behind those. The clients
reconnect and resume. Bytes shared by several sockets count for each, so memory use stays below the sum.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog
from django.conf import settings

from core import metrics

logger = structlog.get_logger(__name__)

# Share of the bound that is written between two measurements, at most.
STEP = 1 / 16
# Share of the bound that remains after sockets were evicted, at most.
EVICT_TO = 3 / 4


class Peer(Protocol):
    """The transport's side of a socket."""

    # Monotonic time since which bytes are unsent.
    paused_at: float | None
    close_sent: bool

    def unsent(self) -> int:
        """Return the unsent bytes of the transport."""

    def evict(self) -> None:
        """Drop the connection and its unsent bytes."""


class SendBufferBudget:
    def __init__(self) -> None:
        self.bound = settings.LIMIT_UNSENT_BYTES
        # Peers with unsent bytes; some may have read them meanwhile.
        self._peers: set[Peer] = set()
        self._measured = 0
        # Bytes written to these peers since the last measurement; some have been read.
        self._written = 0
        self._due = False

    def record(self, peer: Peer, size: int) -> None:
        """Record `size` bytes written to a peer that already had unsent bytes."""
        self._peers.add(peer)
        self._written += size
        if (
            self.bound
            and not self._due
            and self._written > self.bound * STEP
            and self._measured + self._written > self.bound * (1 - STEP)
        ):
            self._due = True
            asyncio.get_running_loop().call_soon(self._evict)  # not while a room's events are being sent

    def measure(self) -> int:
        """Measure the unsent bytes of all sockets."""
        sizes = {peer: peer.unsent() for peer in self._peers}
        self._peers = {peer for peer, size in sizes.items() if size}
        self._measured, self._written = sum(sizes.values()), 0
        metrics.UNSENT.set(self._measured)
        return self._measured

    def _evict(self) -> None:
        self._due = False
        left = self.measure()
        if left <= self.bound * (1 - STEP):
            return
        # First the closing sockets, then the longest stalled ones.
        order = sorted(self._peers, key=lambda peer: (not peer.close_sent, _since(peer)))
        number = 0
        for peer in order:
            if left <= self.bound * EVICT_TO:
                break
            left -= peer.unsent()
            peer.evict()
            number += 1
        logger.warning("too many bytes are unsent: evicted the sockets that had stalled for longest", sockets=number)
        self.measure()


def _since(peer: Peer) -> float:
    return float("inf") if peer.paused_at is None else peer.paused_at
