"""Ping all sockets of an event loop with one timer.

It moves a wheel that turns once per interval. A timer per socket would cost memory for hours and two more timers per ping.
Sockets that connected together, as all do after a deploy, would be pinged together for as long as they live.
"""

from __future__ import annotations

import asyncio
import random
from typing import Protocol

import structlog

from core.per_loop import PerLoop

SLOT_S = 0.1

logger = structlog.get_logger(__name__)


class Pinged(Protocol):
    def on_heartbeat(self, payload: bytes, ping: bytes) -> None:
        """Send the frame `ping`, or end the connection if the last pong is missing."""


class Wheel:
    """Calls each socket once every `interval` seconds.

    Beats that were missed while the process was stopped are skipped.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, interval: float) -> None:
        self._loop = loop
        self._slots: list[set[Pinged]] = [set() for _ in range(max(1, round(interval / SLOT_S)))]
        self._slot_s = interval / len(self._slots)
        self._members = 0
        self._ticks = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, socket: Pinged) -> int:
        """Put `socket` into a random slot: its first beat comes within an interval.

        Return the slot for `discard`.
        """
        slot = random.randrange(len(self._slots))  # noqa: S311
        self._slots[slot].add(socket)
        self._members += 1
        if self._timer is None:
            self._due = self._loop.time()
            self._next()
        return slot

    def discard(self, socket: Pinged, slot: int) -> None:
        self._slots[slot].discard(socket)
        self._members -= 1

    def _tick(self) -> None:
        self._ticks += 1
        payload = self._ticks.to_bytes(8, "big")[-4:]
        ping = b"\x89\x04" + payload  # a whole frame (RFC 6455, 5.2)
        for socket in tuple(self._slots[self._ticks % len(self._slots)]):
            try:
                socket.on_heartbeat(payload, ping)
            except Exception:  # one failure must not stop the pings of all sockets
                logger.exception("a socket could not be pinged")
        self._timer = None
        if self._members:
            self._next()

    def _next(self) -> None:
        # A late tick does not delay the later ones. After a stop of the process, continue from now.
        self._due = max(self._due + self._slot_s, self._loop.time())
        self._timer = self._loop.call_at(self._due, self._tick)


_wheels: PerLoop[dict[float, Wheel]] = PerLoop(dict)


def wheel(interval: float) -> Wheel:
    """Return the running event loop's wheel for this interval, in seconds."""
    found = _wheels()
    if interval not in found:
        found[interval] = Wheel(asyncio.get_running_loop(), interval)
    return found[interval]
