"""Bounds of pages and queues, and token buckets.

A bucket's rate of 0 lifts its limit.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds that the hub, its parts and the log's store are given.

    Tests give smaller ones.
    """

    # Events kept for a joining socket, or received ahead of a gap. Beyond it the log is read instead.
    held_events: int = 1_000
    # Events of one page, for a resume and for history.
    page_events: int = 200
    # Messages of a first join.
    latest_messages: int = 50
    # Events that one repair reads of all rooms together.
    repair_events: int = 200
    # Rooms that one repair reads: after an outage of the layer every room may lack events.
    repair_rooms: int = 100
    # Rooms whose heads one poll reads by name. With more rooms, a poll reads the moved ones and this many others in turn.
    heads_a_query: int = 2_000
    # Unsent bytes of one socket. Above them it is closed with 4008.
    send_queue_bytes: int = 1_048_576
    # Attempts of one query whose connection breaks.
    query_attempts: int = 3


LIMITS = Limits()


class Bucket:
    """`rate` tokens a second; at most `burst` accumulate."""

    __slots__ = ("burst", "rate", "since", "tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self.tokens, self.since = burst, time.monotonic()

    def take(self, number: int = 1) -> bool:
        """Take that many tokens, or none."""
        if not self.rate:
            return True
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.since) * self.rate)
        self.since = now
        if self.tokens < number:
            return False
        self.tokens -= number
        return True

    def owe(self) -> float:
        """Take a token, before there is one if need be.

        Return the seconds until there is.
        """
        if self.take() or not self.rate:
            return 0.0
        self.tokens -= 1
        return -self.tokens / self.rate

    def is_full(self) -> bool:
        """Return whether it is as a new one would be."""
        return not self.rate or self.tokens + (time.monotonic() - self.since) * self.rate >= self.burst

    def give_back(self) -> None:
        """Return the last token unused."""
        self.tokens += 1


class Buckets:
    """A bucket per key; above `size` the least recently used one is dropped."""

    def __init__(self, rate: float, burst: float, size: int = 10_000) -> None:
        self.rate, self.burst, self.size = rate, burst, size
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, key: str, number: int = 1) -> bool:
        if not self.rate:
            return True
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self.rate, self.burst)
            if len(self._buckets) > self.size:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(number)
