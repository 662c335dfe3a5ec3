"""Token buckets. A rate of 0 lifts the limit."""

from __future__ import annotations

import time
from collections import OrderedDict


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
        """Take a token, before there is one if need be. Return the seconds until there is."""
        if self.take() or not self.rate:
            return 0.0
        self.tokens -= 1
        return -self.tokens / self.rate

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
