"""The results of a timed run, their validity, and comparisons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

# Share of its core above which the generator may have been the limit.
SATURATED = 0.9
# Above FULL a core has no idle time; a generator with LARGE_PART of such a shared core may have been the limit.
FULL, LARGE_PART = 0.97, 0.6
# Processes of a run on the server's core; the others run on the generator's.
ON_SERVER_CORE = frozenset({"server", "nginx"})


def today() -> str:
    """Return the date of a figure, UTC."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


@dataclass
class Figure:
    """One timed run.

    Rates are per second, latencies in milliseconds, `cpu` shares of a core by process.
    """

    system: str
    deliveries_per_s: float
    messages_per_s: float
    handshakes_per_s: float
    latency_ms: dict[str, float]
    completion_ms: dict[str, float]
    cpu: dict[str, float]
    # Busy share of the generator's core, for all processes.
    load_core: float
    # Busy share of the server's core; the part above the server's own use belongs to other processes.
    server_core: float
    lost: int
    doubled: int
    wrong_connections: int
    failed: int
    closed_early: int
    overloaded: bool
    load_average: float
    # Messages answered with `unavailable`: the sender knows, so they need not be delivered.
    refused: int = 0
    # Messages of the whole run, the warm-up included.
    sent: int = 0
    # Connections that became ready per second while all of them connected; 0 for handshakes.
    arrivals_per_s: float = 0.0
    # The date of the measurement.
    at: str = field(default_factory=today)
    options: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        """Make a figure from the generator's output."""
        length = found["seconds"]
        return cls(
            system=found["system"],
            deliveries_per_s=found["deliveries"] / length,
            messages_per_s=found["messages"] / length,
            handshakes_per_s=found["handshakes"] / length,
            latency_ms=found["handshake_ms"] if found["handshakes"] else found["latency_ms"],
            completion_ms=found["completion_ms"],
            cpu=found["cpu"],
            load_core=found["load_core"],
            server_core=found["server_core"],
            lost=found["lost"],
            refused=found["refused"],
            doubled=found["doubled"],
            wrong_connections=found["wrong_connections"],
            failed=found["failed"],
            closed_early=found["closed_early"],
            overloaded=found["overloaded"],
            load_average=found["load_average"],
            sent=found["sent"],
            arrivals_per_s=found["ready"] / found["arrival_s"] if found.get("arrival_s") else 0.0,
            options=found["options"],
        )

    @property
    def valid(self) -> bool:
        """Return whether the server was the limit: a saturated generator measures itself.

        The generator counts as saturated above 0.9 of its core, and above 0.6 if other processes used the rest of the core. With
        a smaller part the others were busy (Postgres, Redis), or it would have waited anyway.
        """
        share = self.cpu["generator"]
        return share <= SATURATED and not (share > LARGE_PART and self.load_core > FULL)

    @property
    def load_others(self) -> float:
        """Return the share of the generator's core used outside this run."""
        ours = sum(share for name, share in self.cpu.items() if name not in ON_SERVER_CORE)
        return max(0.0, self.load_core - ours)

    @property
    def whole(self) -> bool:
        """Return whether each message arrived exactly once at every member."""
        return self.kept and not self.refused

    @property
    def kept(self) -> bool:
        """Return whether each promised delivery arrived exactly once."""
        return not (self.lost or self.doubled or self.wrong_connections or self.failed or self.closed_early)

    @property
    def server_cpu(self) -> float:
        """Return the cores used by the server, including a proxy in front of it."""
        return self.cpu.get("server", 0.0) + self.cpu.get("nginx", 0.0)

    @property
    def shared(self) -> bool:
        """Return whether other processes used over a tenth of the server's core.

        The rate is then too low, but the cost is right.
        """
        return self.server_core - self.server_cpu > 0.1

    @property
    def us_per_delivery(self) -> float:
        """Return the server's processor time per delivery, in microseconds."""
        return self.server_cpu / self.deliveries_per_s * 1e6 if self.deliveries_per_s else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for JSON."""
        return asdict(self) | {
            "valid": self.valid,
            "shared": self.shared,
            "load_others": self.load_others,
            "whole": self.whole,
            "us_per_delivery": self.us_per_delivery,
        }


def ratio(figure: float, baseline: float) -> float | None:
    """Return the figure as a multiple of the baseline; None if that is 0 or unknown."""
    return figure / baseline if baseline else None


def shown(figure: Figure) -> str:
    """Return the figure as one line of text."""
    at = figure.latency_ms
    marks = [] if figure.valid else ["INVALID: the generator was saturated"]
    if figure.shared:
        marks.append(f"others took {figure.server_core - figure.server_cpu:.0%} of the server's core")
    if figure.lost or figure.doubled:
        marks.append(f"{figure.lost} lost, {figure.doubled} doubled")
    if figure.refused:
        marks.append(f"{figure.refused} messages refused")
    if figure.closed_early or figure.failed:
        marks.append(f"{figure.closed_early} closed, {figure.failed} failed")
    rate = f"{figure.deliveries_per_s:,.0f}/s"
    if figure.handshakes_per_s:
        rate = f"{figure.handshakes_per_s:,.0f} handshakes/s"
    elif figure.options.get("mode") == "idle":
        rate = f"{figure.arrivals_per_s:,.0f} arrivals/s"
    shares = " ".join(f"{name} {share:.0%}" for name, share in figure.cpu.items())
    return (
        f"  {figure.system:28} {rate:>20}  p50 {at['p50']:.1f} p99 {at['p99']:.1f} p999 {at['p999']:.1f} ms"
        f"  {figure.us_per_delivery:.2f} µs  [{shares}] load {figure.load_average}"
        f" {figure.notes or ''} {'; '.join(marks)}"
    )


def wrong(rows: Mapping[str, Sequence[Figure]]) -> Iterator[str]:
    """Yield a line for each of the product's figures with wrong deliveries or log.

    In the open loop this includes every tried rate, even those above its maximum: late is not lost, and a refused message was not
    promised.
    """
    for name, figures in rows.items():
        for figure in figures:
            if not figure.system.startswith("hubbub"):
                continue
            title = f"{name}, {figure.system}"
            if not (figure.whole or "tried" in figure.notes):
                yield (
                    f"{title}: {figure.lost} lost, {figure.doubled} doubled,"
                    f" {figure.wrong_connections} connections with something wrong,"
                    f" {figure.closed_early} closed, {figure.failed} failed, {figure.refused} messages refused"
                )
            for point in figure.notes.get("tried", ()):
                if not point["kept"]:
                    yield f"{title}, {point['rate']:g} messages a second: {point['lost']} lost, {point['doubled']} doubled"
            stored = figure.notes.get("stored", figure.sent)
            if stored != figure.sent:
                yield f"{title}: {figure.sent} sent, {stored} in the log"
