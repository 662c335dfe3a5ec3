"""The load of the generator itself.

A starved generator measures its own machine, not the server.

It checks its own loop on a fixed schedule, twenty times a second during the timed run. A loop that stalls for two seconds misses
forty checks, and each counts with its lateness; a single late check among thousands would hide the stall. There are two views
of the same checks: the whole run, and its worst few seconds, which a long run would average out. Pure: trial.py reads the
clocks, and gates.py applies the limits.
"""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

CHECK_S = 0.05  # seconds between two checks
WINDOW = 5.0  # seconds: the length of the worst stretch
_CHECKS_A_SECOND = round(1 / CHECK_S)
_CHECKS_A_WINDOW = round(WINDOW / CHECK_S)

# A generator's limits, unless a set of thresholds has others. Percent of the one core that a gevent process can use, and the
# loop's lateness in milliseconds at the 99th percentile; each for the whole run and for its worst WINDOW.
LIMITS = {"generator_cpu": 85.0, "generator_cpu_worst": 95.0, "generator_lag": 50.0, "generator_lag_worst": 250.0}


def percentile(values: Sequence[float], part: float) -> float:
    """Return the nearest-rank percentile (`part` from 0 to 1) of unsorted values.

    0.0 of none.
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else 0.0


@dataclass
class Generator:
    """Checks one process.

    lags: seconds by which each check was late. marks: (time, processor time) about once a second.
    """

    lags: "array[float]" = field(default_factory=lambda: array("d"))
    marks: list[tuple[float, float]] = field(default_factory=list)
    _due: float = 0.0

    def begin(self, now: float, cpu: float) -> None:
        """Begin the timed run at `now` (monotonic) and `cpu` (processor time), in seconds."""
        self.marks = [(now, cpu)]
        self._due = now + CHECK_S

    def check(self, now: float, cpu: float) -> float:
        """Perform every check due by now; return the seconds until the next one."""
        while self._due <= now:
            self.lags.append(now - self._due)
            self._due += CHECK_S
        if now - self.marks[-1][0] >= 1.0:
            self.marks.append((now, cpu))
        return self._due - now

    def end(self, now: float, cpu: float) -> None:
        """End the timed run; due checks that were never performed count, too."""
        self.check(now, cpu)
        if now > self.marks[-1][0]:
            self.marks.append((now, cpu))

    def cpu_percent(self) -> float:
        """Return the share of one core that this process used in the timed run."""
        return _percent(self.marks[0], self.marks[-1]) if self.marks else 0.0

    def cpu_percent_worst(self) -> float:
        """Return the same for its busiest WINDOW; for the whole of a shorter run."""
        busiest, first = self.cpu_percent(), 0
        for last, (now, _) in enumerate(self.marks):
            while first + 1 < last and now - self.marks[first + 1][0] >= WINDOW:
                first += 1
            if now - self.marks[first][0] >= WINDOW:
                busiest = max(busiest, _percent(self.marks[first], self.marks[last]))
        return busiest

    def lag_ms(self, part: float) -> float:
        """Return a percentile of the checks' lateness in milliseconds."""
        return 1000 * percentile(self.lags, part)

    def lag_ms_worst(self) -> float:
        """Return the highest 99th percentile of lateness in any WINDOW, in milliseconds."""
        begins = range(0, max(1, len(self.lags) - _CHECKS_A_WINDOW + _CHECKS_A_SECOND), _CHECKS_A_SECOND)
        return 1000 * max(percentile(self.lags[begin : begin + _CHECKS_A_WINDOW], 0.99) for begin in begins)

    def as_dict(self) -> dict[str, Any]:
        """Return percent and milliseconds for the report."""
        lags = {name: round(self.lag_ms(part), 2) for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))}
        lags["worst_p99"] = round(self.lag_ms_worst(), 2)
        cpu = {"cpu_percent": round(self.cpu_percent(), 1), "cpu_percent_worst": round(self.cpu_percent_worst(), 1)}
        return {**cpu, "lag_ms": lags}


def _percent(first: tuple[float, float], last: tuple[float, float]) -> float:
    return 100 * (last[1] - first[1]) / (last[0] - first[0]) if last[0] > first[0] else 0.0
