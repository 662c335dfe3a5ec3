"""Collects what sockets are sent in one turn of the event loop: one write for each socket, whatever came together.

A write to a socket is a system call, the dearest part of a delivery. No timer is involved.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

import structlog

from core.per_loop import PerLoop

# Sockets written to before others have their turn, some 0.4 ms: a commit takes several turns.
SLICE = 32
# Sockets still to be written to when the next commit may begin: some 6 ms of a full process, a little more than it takes.
BACKLOG = 700

log = structlog.get_logger(__name__)


class Sender(Protocol):
    def flush(self) -> None:
        """Hands what was collected to the transport."""


class WriteCoalescer:
    """One per event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # One that has nothing left may be among them, and is then flushed in vain.
        self._senders: deque[Sender] = deque()
        self._scheduled = False
        self._flushed = 0
        # Who waits until so many were flushed.
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        # The frames that were joined last, and what came of it.
        self._last: tuple[list[bytes], bytes] = ([], b"")

    def add(self, sender: Sender) -> None:
        """`sender` is flushed soon: at the end of the next turn, so that the reply to a message leaves with its event."""
        self._senders.append(sender)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._loop.call_soon, self._flush)

    def joined(self, frames: list[bytes]) -> bytes:
        """Join `frames`; members of a room mostly have the same ones, and share the bytes.

        The caller leaves the list as it is.
        """
        last, data = self._last
        if frames != last:
            data = b"".join(frames)
            self._last = (frames, data)
        return data

    async def short(self) -> None:
        """Waits until all but BACKLOG of the senders that are here now are flushed: others may come all the time."""
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
            except Exception:  # or nobody of this process would be written to again
                log.exception("a socket could not be written to")
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
