"""Latencies and counts in slices of a run.

They are small enough for runs of hours, and to be sent to the leader. Slices are whole seconds, or longer in a run with more
than 600 of them. A latency is rounded as in Locust, to two significant digits and to whole milliseconds below 100. Pure.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

_SLICES = 600


def rounded(milliseconds: float) -> int:
    """Round to two significant digits, and to whole milliseconds below 100."""
    if milliseconds < 100:
        return round(milliseconds)
    return int(round(milliseconds, -1)) if milliseconds < 1000 else int(round(milliseconds, -2))


class Timeline:
    """Samples of each figure, counts of occurrences, number of users, all by slice."""

    def __init__(self, seconds: float) -> None:
        """Prepare for a run of about so many seconds."""
        self.width = max(1, round(seconds / _SLICES))
        self._samples: dict[str, dict[int, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
        self._counts: dict[str, Counter[int]] = defaultdict(Counter)
        self._users: dict[int, int] = {}

    def sample(self, figure: str, at: float, milliseconds: float) -> None:
        """Keep a latency measured `at` seconds after the start of the timed run."""
        if at >= 0:
            self._samples[figure][self._slice(at)][rounded(milliseconds)] += 1

    def count(self, what: str, at: float, number: int = 1) -> None:
        """Count so many occurrences."""
        if at >= 0:
            self._counts[what][self._slice(at)] += number

    def users(self, at: float, number: int) -> None:
        """Keep the number of connected users."""
        if at >= 0:
            self._users[self._slice(at)] = number

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per slice.

        `at` (seconds), `users`, `counts` a second, and p50, p95, p99 and number of each figure.
        """
        slices = {place for figure in self._samples.values() for place in figure}
        slices |= self._users.keys() | {place for counter in self._counts.values() for place in counter}
        return [self._row(place) for place in sorted(slices)]

    def window(self, figure: str, begin: float, end: float) -> dict[str, float] | None:
        """Return figures of all samples between two moments; None without any.

        Slices count by their beginning.
        """
        merged: Counter[int] = Counter()
        for place, counter in self._samples.get(figure, {}).items():
            if begin <= place * self.width < end:
                merged += counter
        return figures(merged)

    def counted(self, what: str, begin: float, end: float) -> int:
        """Return the number of occurrences between two moments."""
        return sum(number for place, number in self._counts.get(what, {}).items() if begin <= place * self.width < end)

    def users_between(self, begin: float, end: float) -> tuple[int, int] | None:
        """Return the fewest and the most connected users between two moments.

        None without a check.
        """
        found = [number for place, number in self._users.items() if begin <= place * self.width < end]
        return (min(found), max(found)) if found else None

    def dump(self) -> dict[str, Any]:
        """Return plain objects for sending; `merge` accepts them."""
        samples = {name: [[place, list(c.items())] for place, c in slices.items()] for name, slices in self._samples.items()}
        counts = {name: list(counter.items()) for name, counter in self._counts.items()}
        return {"samples": samples, "counts": counts, "users": list(self._users.items())}

    def merge(self, dumped: dict[str, Any]) -> None:
        """Add another generator's samples, counts and users."""
        for name, slices in dumped["samples"].items():
            for place, counter in slices:
                for value, number in counter:
                    self._samples[name][place][value] += number
        for name, pairs in dumped["counts"].items():
            for place, number in pairs:
                self._counts[name][place] += number
        for place, number in dumped["users"]:
            self._users[place] = self._users.get(place, 0) + number

    def _slice(self, at: float) -> int:
        return int(at // self.width)

    def _row(self, place: int) -> dict[str, Any]:
        counts = {name: round(counter[place] / self.width, 2) for name, counter in self._counts.items()}
        found = {name: figures(slices[place]) for name, slices in self._samples.items() if place in slices}
        return {"at": place * self.width, "users": self._users.get(place, 0), "a_second": counts, "figures": found}


def figures(counter: Counter[int]) -> dict[str, float] | None:
    """Return number, p50, p95, p99 and maximum of counted milliseconds; None of none."""
    if not counter:
        return None
    total = counter.total()
    values = sorted(counter)
    return {"count": total, **{name: _rank(values, counter, part * total) for name, part in _PARTS}, "max": values[-1]}


_PARTS = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def _rank(values: Iterable[int], counter: Counter[int], rank: float) -> float:
    reached, last = 0, 0
    for value in values:
        reached, last = reached + counter[value], value
        if reached >= rank:
            break
    return float(last)
