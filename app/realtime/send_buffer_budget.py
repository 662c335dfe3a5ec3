"""What all sockets of a process have left unread together: bounded, whatever each of them may leave.

A thousand readers that stop may hold a thousand times an send_queue's bound. Above LIMIT_UNSENT_MB those that have not kept up
for longest are cut: their connection is dropped with what waits for it, since a close frame would wait behind that. They
come back and resume. Bytes that several sockets share are counted for each, so memory stays below the sum.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog
from django.conf import settings

from core import metrics

log = structlog.get_logger(__name__)

# Of the bound: what is written between two measurements, at most.
STEP = 1 / 16
CUT_TO = 3 / 4


class Peer(Protocol):
    """The transport's side of a socket."""

    # Monotonic time since which something waits.
    paused_at: float | None
    close_sent: bool

    def unsent(self) -> int:
        """Bytes that wait in the transport."""

    def cut(self) -> None:
        """Drops the connection and what waits for it."""


class SendBufferBudget:
    def __init__(self) -> None:
        self.bound = settings.LIMIT_UNSENT_BYTES
        # Those that something waits for, and some that have read it meanwhile.
        self._peers: set[Peer] = set()
        self._measured = 0
        # To these peers since it was measured; some of it was read.
        self._written = 0
        self._due = False

    def record(self, peer: Peer, size: int) -> None:
        """`size` bytes were written to a peer that had not read everything before."""
        self._peers.add(peer)
        self._written += size
        if (
            self.bound
            and not self._due
            and self._written > self.bound * STEP
            and self._measured + self._written > self.bound * (1 - STEP)
        ):
            self._due = True
            asyncio.get_running_loop().call_soon(self._cut)  # not in the middle of a room's round

    def measure(self) -> int:
        """Bytes that wait for all sockets now."""
        sizes = {peer: peer.unsent() for peer in self._peers}
        self._peers = {peer for peer, size in sizes.items() if size}
        self._measured, self._written = sum(sizes.values()), 0
        metrics.UNSENT.set(self._measured)
        return self._measured

    def _cut(self) -> None:
        self._due = False
        left = self.measure()
        if left <= self.bound * (1 - STEP):
            return
        # Those that are being closed anyway, then those that have not kept up for longest.
        order = sorted(self._peers, key=lambda peer: (not peer.close_sent, _since(peer)))
        number = 0
        for peer in order:
            if left <= self.bound * CUT_TO:
                break
            left -= peer.unsent()
            peer.cut()
            number += 1
        log.warning("sockets leave too much unread, cut those that have not kept up for longest", sockets=number)
        self.measure()


def _since(peer: Peer) -> float:
    return float("inf") if peer.paused_at is None else peer.paused_at
