"""One clock for all generators of a run.

One generator may send a message and another time it.

Pure.

A clock is this process's perf_counter plus an offset to the leader's. Processes of one host share that counter (Linux:
CLOCK_MONOTONIC; the kernel's boot id identifies the host, containers included, and a time namespace has its own clock), so
their offset is exactly 0. Others ask the leader several times and use the fastest answer: the leader read its clock between
question and answer, so the middle of the two is wrong by at most half of the round trip.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_BOOT, _NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/time")


def host() -> str:
    """Return an id shared by all processes with the same clock.

    Without the system's help each process gets its own.
    """
    try:
        boot = _BOOT.read_text().strip()
        # A kernel without time namespaces has the one clock.
        return f"{boot} {_NAMESPACE.readlink()}" if _NAMESPACE.is_symlink() else boot
    except OSError:
        return f"unknown-{time.perf_counter_ns()}-{id(time)}"


@dataclass(frozen=True)
class Answer:
    """The leader's answer about its time; all moments are in seconds.

    asked: our clock at the question. leader: the leader's clock at its answer. heard: our clock at the arrival.
    """

    asked: float
    leader: float
    heard: float

    @property
    def round_trip(self) -> float:
        """Return the seconds between question and answer."""
        return self.heard - self.asked


@dataclass
class Clock:
    """The run's time in seconds.

    `error` bounds the distance of `now()` from the leader's clock.
    """

    offset: float = 0.0
    error: float = 0.0

    def now(self) -> float:
        """Return the leader's clock, as estimated."""
        return time.perf_counter() + self.offset

    def ours(self, moment: float) -> float:
        """Convert a moment of the leader's clock to this process's perf_counter."""
        return moment - self.offset

    def theirs(self, moment: float) -> float:
        """Convert a moment of this process's perf_counter to the leader's clock."""
        return moment + self.offset

    def set(self, answers: Iterable[Answer]) -> None:
        """Correct the clock by the fastest answer."""
        self.offset, self.error = estimate(answers)

    def drift(self, answers: Iterable[Answer]) -> None:
        """Widen the error by the drift since `set`."""
        offset, error = estimate(answers)
        self.error = max(self.error, error) + abs(offset - self.offset)


class NoClock(Exception):
    """The leader never answered with its time.

    Another host's messages cannot be timed.
    """


def estimate(answers: Iterable[Answer]) -> tuple[float, float]:
    """Return the offset and its error bound, in seconds.

    Raises NoClock without an answer.
    """
    best = min(answers, key=lambda answer: answer.round_trip, default=None)
    if best is None:
        raise NoClock("the leader of the run did not tell its time")
    return best.leader - (best.asked + best.heard) / 2, best.round_trip / 2
