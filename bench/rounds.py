"""Repeat measurements in interleaved rounds.

The median figure represents its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bench.results import Figure

Key = Callable[[Figure], float]


def take(number: int, kinds: Mapping[str, Callable[[], Figure]]) -> dict[str, list[Figure]]:
    """Return the figures of each kind, one per round.

    The machine's speed changes by the minute, so all kinds share each minute.
    """
    rounds: dict[str, list[Figure]] = {kind: [] for kind in kinds}
    for _ in range(number):
        for kind, measure in kinds.items():
            rounds[kind].append(measure())
    return rounds


def rate(figure: Figure) -> float:
    """Return handshakes per second if measured, else deliveries per second."""
    return figure.handshakes_per_s or figure.deliveries_per_s


def middle(figures: Sequence[Figure], key: Key = rate) -> Figure:
    """Return the figure with the median of `key`, including the faults of all rounds.

    A loss must not disappear with its round.
    """
    wrong = {
        name: sum(getattr(figure, name) for figure in figures)
        for name in ("lost", "refused", "doubled", "wrong_connections", "failed", "closed_early")
    }
    return replace(sorted(figures, key=key)[len(figures) // 2], **wrong)


def spread(figures: Sequence[Figure], key: Key = rate, *, name: str = "range", digits: int = 0) -> dict[str, str]:
    """Return the range of `key` as a note with so many digits.

    Nothing for a single round.
    """
    found = sorted(map(key, figures))
    return {name: f"{found[0]:,.{digits}f} to {found[-1]:,.{digits}f}"} if len(found) > 1 else {}


def ratios(part: str, figures: Sequence[Figure], against: Sequence[Figure]) -> str:
    """Return median and range of a latency's ratio to the same round's."""
    found = sorted(figure.latency_ms[part] / other.latency_ms[part] for figure, other in zip(figures, against, strict=True))
    return f"{found[len(found) // 2]:.2f} ({found[0]:.2f} to {found[-1]:.2f})"
