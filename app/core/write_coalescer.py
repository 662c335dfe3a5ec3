"""Coalesce the writes of one event loop iteration: one write per socket.

A write to a socket is a system call, the most expensive part of a delivery. No timer is involved.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

import structlog

from core.per_loop import PerLoop

# Sockets flushed before the event loop runs other tasks, some 0.4 ms: a commit takes several iterations.
SLICE = 32
# Unflushed sockets at which the next commit may begin: some 6 ms of a busy process, a little longer than a commit.
BACKLOG = 700

logger = structlog.get_logger(__name__)


class Sender(Protocol):
    def flush(self) -> None:
        """Write the collected frames to the transport."""


class WriteCoalescer:
    """One per event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # May contain sockets that have already been flushed; flushing them again is harmless.
        self._senders: deque[Sender] = deque()
        self._scheduled = False
        self._flushed = 0
        # Waiters, each with the number of flushes it waits for.
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        # The last joined frames and the result.
        self._last: tuple[list[bytes], bytes] = ([], b"")

    def add(self, sender: Sender) -> None:
        """Flush `sender` next iteration: a message's reply and event share a write."""
        self._senders.append(sender)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._loop.call_soon, self._flush)

    def joined(self, frames: list[bytes]) -> bytes:
        """Join `frames`.

        Members of a room mostly have the same ones and share the result.

        The caller must not change the list.
        """
        last, data = self._last
        if frames != last:
            data = b"".join(frames)
            self._last = (frames, data)
        return data

    async def short(self) -> None:
        """Wait until all but BACKLOG of the present senders are flushed.

        Later ones do not count.
        """
        ahead = len(self._senders) - BACKLOG
        if ahead > 0:
            waiter = self._loop.create_future()
            self._waiting.append((self._flushed + ahead, waiter))
            await waiter

    def _flush(self) -> None:
        senders = self._senders
        number = min(SLICE, len(senders))
        for _ in range(number):
            sender = senders.popleft()
            try:
                sender.flush()
            except Exception:  # one failure must not stop the writes of all sockets
                logger.exception("a socket could not be written to")
        self._flushed += number
        while self._waiting and self._waiting[0][0] <= self._flushed:
            waiter = self._waiting.popleft()[1]
            if not waiter.done():  # cancelled
                waiter.set_result(None)
        if senders:
            self._loop.call_soon(self._flush)
        else:
            self._scheduled = False
            self._last = ([], b"")


write_coalescer = PerLoop(lambda: WriteCoalescer(asyncio.get_running_loop()))
