"""Find the highest rate a server keeps up with."""

from __future__ import annotations

from collections.abc import Callable

from bench.results import Figure

LIMIT_MS = 100.0
_STEPS_UP, _STEPS_BETWEEN = 12, 3


def keeps_up(figure: Figure) -> bool:
    """Return whether p99 < 100 ms, all arrived, and the generator had time to spare."""
    return (
        figure.deliveries_per_s > 0
        and figure.whole
        and figure.valid
        and not figure.overloaded
        and figure.latency_ms["p99"] < LIMIT_MS
    )


def highest_rate(attempt: Callable[[float], Figure], start: float) -> tuple[Figure | None, list[Figure]]:
    """Double from `start` (messages a second) until it fails, then halve three times.

    Returns the best figure that kept up (None: not even a sixteenth of `start` did) and all figures.
    """
    tried: list[Figure] = []
    best: Figure | None = None

    def holds(rate: float) -> bool:
        nonlocal best
        figure = attempt(rate)
        tried.append(figure)
        if keeps_up(figure):
            best = figure
            return True
        return False

    low, high = 0.0, start
    for _ in range(5):  # `start` was too high for this machine
        if holds(high):
            low = high
            break
        high /= 2
    if not low:
        return None, tried
    for _ in range(_STEPS_UP):
        high = low * 2
        if not holds(high):
            break
        low = high
    else:
        return best, tried
    for _ in range(_STEPS_BETWEEN):
        middle = (low + high) / 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return best, tried
