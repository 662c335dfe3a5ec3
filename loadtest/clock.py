"""One clock for all generators of a run, so that a message may be sent by one and timed by another. Pure.

A clock is this process's perf_counter and an offset to the leader's. Processes of one host share that counter (Linux:
CLOCK_MONOTONIC; the kernel's boot id says whether it is the same host, containers included, and a time namespace has a clock
of its own), so their offset is 0 and exact.
Others ask the leader for its time, several times; of all answers the quickest tells most: the leader read its clock at some
moment between our question and its answer, so the middle of the two is wrong by at most half of the round trip.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_BOOT, _NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/time")


def host() -> str:
    """What is the same for all processes that share a clock; a new one for each process where the system does not tell."""
    try:
        boot = _BOOT.read_text().strip()
        # A kernel without time namespaces has the one clock.
        return f"{boot} {_NAMESPACE.readlink()}" if _NAMESPACE.is_symlink() else boot
    except OSError:
        return f"unknown-{time.perf_counter_ns()}-{id(time)}"


@dataclass(frozen=True)
class Answer:
    """Our clock when we asked, the leader's when it answered, ours when the answer was here; seconds."""

    asked: float
    leader: float
    heard: float

    @property
    def round_trip(self) -> float:
        """Seconds between question and answer."""
        return self.heard - self.asked


@dataclass
class Clock:
    """The run's time in seconds: `now()`; `error` bounds how far it may be off the leader's clock."""

    offset: float = 0.0
    error: float = 0.0

    def now(self) -> float:
        """The leader's clock, as far as we know."""
        return time.perf_counter() + self.offset

    def ours(self, moment: float) -> float:
        """The leader's moment on this process's perf_counter."""
        return moment - self.offset

    def theirs(self, moment: float) -> float:
        """A moment of this process's perf_counter on the leader's clock."""
        return moment + self.offset

    def set(self, answers: Iterable[Answer]) -> None:
        """Correct the clock by the quickest answer."""
        self.offset, self.error = estimate(answers)

    def drift(self, answers: Iterable[Answer]) -> None:
        """Widen the error by what the clocks have moved apart since `set`."""
        offset, error = estimate(answers)
        self.error = max(self.error, error) + abs(offset - self.offset)


class NoClock(Exception):
    """The leader of the run never told its time: nothing can be said of a message that another host sent."""


def estimate(answers: Iterable[Answer]) -> tuple[float, float]:
    """Offset and bound of its error, in seconds; raises NoClock without an answer."""
    best = min(answers, key=lambda answer: answer.round_trip, default=None)
    if best is None:
        raise NoClock("the leader of the run did not tell its time")
    return best.leader - (best.asked + best.heard) / 2, best.round_trip / 2
