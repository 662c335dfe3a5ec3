"""What is measured several times: each kind takes its turn in each round, and the figure in the middle stands for its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bench.results import Figure

Key = Callable[[Figure], float]


def take(number: int, kinds: Mapping[str, Callable[[], Figure]]) -> dict[str, list[Figure]]:
    """The figures of each kind, a round each. What the machine gives differs by the minute: all kinds share each minute."""
    rounds: dict[str, list[Figure]] = {kind: [] for kind in kinds}
    for _ in range(number):
        for kind, measure in kinds.items():
            rounds[kind].append(measure())
    return rounds


def rate(figure: Figure) -> float:
    """Handshakes a second where those were measured, else deliveries a second."""
    return figure.handshakes_per_s or figure.deliveries_per_s


def middle(figures: Sequence[Figure], key: Key = rate) -> Figure:
    """The figure with the median of `key`, with what went wrong in any of the rounds: a loss must not go with its round."""
    wrong = {
        name: sum(getattr(figure, name) for figure in figures)
        for name in ("lost", "refused", "doubled", "wrong_connections", "failed", "closed_early")
    }
    return replace(sorted(figures, key=key)[len(figures) // 2], **wrong)


def spread(figures: Sequence[Figure], key: Key = rate, *, name: str = "range", digits: int = 0) -> dict[str, str]:
    """The lowest and the highest of `key` as a note, with so many digits after the point; none of a single round."""
    found = sorted(map(key, figures))
    return {name: f"{found[0]:,.{digits}f} to {found[-1]:,.{digits}f}"} if len(found) > 1 else {}


def ratios(part: str, figures: Sequence[Figure], against: Sequence[Figure]) -> str:
    """The median and the range of a latency held against that of the same round."""
    found = sorted(figure.latency_ms[part] / other.latency_ms[part] for figure, other in zip(figures, against, strict=True))
    return f"{found[len(found) // 2]:.2f} ({found[0]:.2f} to {found[-1]:.2f})"
