"""Figures of a run, for the table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.chaos.checker import grown, waits
from tests.chaos.records import Run, Span


@dataclass(frozen=True)
class Figures:
    """One row of the table; times in seconds, `p50` and `p99` of a delivery in ms."""

    fault: str
    title: str
    problems: tuple[str, ...]
    clients: int
    events: int
    deliveries: int
    fault_s: float
    # The longest time that a client lacked a committed event, including the fault.
    behind_s: float
    # The longest unexcused wait for an event, which promise 4 limits to 5 s.
    waited_s: float
    reconnects: int
    codes: dict[str, int]
    p50: float
    p99: float
    retries: int
    gaps: int
    memory_before: float
    memory_after: float

    def wire(self) -> dict[str, Any]:
        """Return the row as JSON."""
        return asdict(self)


def measure(run: Run, *, fault: str, title: str, problems: Sequence[str], during: Span, gaps: int) -> Figures:
    """Compute the figures of `during`: one run, or one fault of several."""
    behind, waited = [0.0], [0.0]
    delivered: list[float] = []
    for sight in run.sights:
        for row, receipt, wait in waits(sight, run):
            if during.begin <= receipt.at <= during.end:
                delivered.append(receipt.at - row.at)
                if not any(span.meets(row.at, receipt.at) for span in sight.blind):
                    behind.append(receipt.at - row.at)
                    waited.append(wait)
    lost = [
        life
        for sight in run.sights
        for life in sight.lives
        if life.ended_at is not None and during.begin <= life.ended_at <= during.end
    ]
    spans = [window.span for window in run.windows if during.begin <= window.span.begin <= during.end]
    delivered.sort()
    return Figures(
        fault=fault,
        title=title,
        problems=tuple(problems),
        clients=len(run.sights),
        events=sum(during.begin <= row.at <= during.end for rows in run.log.values() for row in rows),
        deliveries=len(delivered),
        fault_s=sum(span.end - span.begin for span in spans),
        behind_s=max(behind),
        waited_s=max(waited),
        reconnects=len(lost),
        codes=dict(Counter(str(life.code) for life in lost)),
        p50=1000 * _quantile(delivered, 0.5),
        p99=1000 * _quantile(delivered, 0.99),
        retries=run.retries,
        gaps=gaps,
        memory_before=run.memory_before,
        memory_after=run.memory_after,
    )


def not_ended(fault: str, title: str, problem: str) -> Figures:
    """Return the row of a run that did not end."""
    return Figures(fault, title, (problem,), 0, 0, 0, 0.0, 0.0, 0.0, 0, {}, 0.0, 0.0, 0, 0, 0.0, 0.0)


def in_a_row(figures: Sequence[Figures]) -> list[str]:
    """Check the growth of memory over several runs, each of which passes alone."""
    ended = [row for row in figures if row.clients]
    grew = grown(ended[0].memory_before, ended[-1].memory_after) if len(ended) > 1 else []
    return [f"{what}, over {len(ended)} runs in a row" for what in grew]


def _quantile(ascending: Sequence[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))] if ascending else 0.0
