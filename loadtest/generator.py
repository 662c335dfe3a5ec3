"""How busy the load generator itself was: a starved one measures its own machine, not the server.

It looks at its own loop on a fixed schedule, twenty times a second from the beginning of the timed run. A loop that stood still
for two seconds has missed forty looks, and each of them counts by what it was late: one late look among thousands of punctual
ones would hide the stall. Two views of the same looks: the whole run, and the worst few seconds of it, in which a long run
would drown them. Pure: the clocks are read in trial.py, and gates.py holds the figures to the limits.
"""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

LOOK = 0.05  # seconds between two looks
WINDOW = 5.0  # seconds: the length of the worst stretch
_LOOKS_A_SECOND = round(1 / LOOK)
_LOOKS_A_WINDOW = round(WINDOW / LOOK)

# What a generator may be, unless a set of thresholds states otherwise. Percent of the one core a gevent process can use, and
# milliseconds its loop may be late at the 99th percentile; each for the whole run, and for its worst WINDOW.
LIMITS = {"generator_cpu": 85.0, "generator_cpu_worst": 95.0, "generator_lag": 50.0, "generator_lag_worst": 250.0}


def percentile(values: Sequence[float], part: float) -> float:
    """Nearest-rank percentile (`part` from 0 to 1) of unsorted values; 0.0 when there are none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else 0.0


@dataclass
class Generator:
    """Looks at one process. lags: seconds each look was late; marks: (time, processor time) about once a second."""

    lags: "array[float]" = field(default_factory=lambda: array("d"))
    marks: list[tuple[float, float]] = field(default_factory=list)
    _due: float = 0.0

    def begin(self, now: float, cpu: float) -> None:
        """The timed run begins; both arguments in seconds: of a clock that never stops, and of this process's processor."""
        self.marks = [(now, cpu)]
        self._due = now + LOOK

    def look(self, now: float, cpu: float) -> float:
        """Take every look that is due by now, and return the seconds until the next one."""
        while self._due <= now:
            self.lags.append(now - self._due)
            self._due += LOOK
        if now - self.marks[-1][0] >= 1.0:
            self.marks.append((now, cpu))
        return self._due - now

    def end(self, now: float, cpu: float) -> None:
        """The timed run is over: what was due and never looked at counts, too."""
        self.look(now, cpu)
        if now > self.marks[-1][0]:
            self.marks.append((now, cpu))

    def cpu_percent(self) -> float:
        """Share of one core this process used in the timed run."""
        return _percent(self.marks[0], self.marks[-1]) if self.marks else 0.0

    def cpu_percent_worst(self) -> float:
        """The same in its busiest WINDOW; of a shorter run, the whole of it."""
        busiest, first = self.cpu_percent(), 0
        for last, (now, _) in enumerate(self.marks):
            while first + 1 < last and now - self.marks[first + 1][0] >= WINDOW:
                first += 1
            if now - self.marks[first][0] >= WINDOW:
                busiest = max(busiest, _percent(self.marks[first], self.marks[last]))
        return busiest

    def lag_ms(self, part: float) -> float:
        """Percentile of the looks' lateness in milliseconds."""
        return 1000 * percentile(self.lags, part)

    def lag_ms_worst(self) -> float:
        """The 99th percentile of lateness in the WINDOW where it is highest, in milliseconds."""
        begins = range(0, max(1, len(self.lags) - _LOOKS_A_WINDOW + _LOOKS_A_SECOND), _LOOKS_A_SECOND)
        return 1000 * max(percentile(self.lags[begin : begin + _LOOKS_A_WINDOW], 0.99) for begin in begins)

    def as_dict(self) -> dict[str, Any]:
        """For the report: percent and milliseconds."""
        lags = {name: round(self.lag_ms(part), 2) for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))}
        lags["worst_p99"] = round(self.lag_ms_worst(), 2)
        cpu = {"cpu_percent": round(self.cpu_percent(), 1), "cpu_percent_worst": round(self.cpu_percent_worst(), 1)}
        return {**cpu, "lag_ms": lags}


def _percent(first: tuple[float, float], last: tuple[float, float]) -> float:
    return 100 * (last[1] - first[1]) / (last[0] - first[0]) if last[0] > first[0] else 0.0
