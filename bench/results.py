"""What a timed run found, whether it may be believed, and how it compares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

# Share of its core above which the generator itself may have been the limit.
SATURATED = 0.9
# A core without a rest, and the generator's share of it above which it may have been the limit on a core it had to share.
FULL, LARGE_PART = 0.97, 0.6
# Processes of a run on the server's core; the others share the generator's.
ON_SERVER_CORE = frozenset({"server", "nginx"})


def today() -> str:
    """The date of a figure, UTC."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


@dataclass
class Figure:
    """One timed run. Rates are a second, latencies milliseconds, `cpu` shares of a core by process."""

    system: str
    deliveries_per_s: float
    messages_per_s: float
    handshakes_per_s: float
    latency_ms: dict[str, float]
    completion_ms: dict[str, float]
    cpu: dict[str, float]
    # Share of the generator's core that anybody used.
    load_core: float
    # Likewise of the server's: above what the server used, somebody else had it.
    server_core: float
    lost: int
    doubled: int
    wrong_connections: int
    failed: int
    closed_early: int
    overloaded: bool
    load_average: float
    # Messages that were answered with `unavailable`: the sender knows, and nobody was promised them.
    refused: int = 0
    # Messages of the whole run, the warm-up included.
    sent: int = 0
    # Connections that became ready, a second, while all of them connected; 0 for handshakes.
    arrivals_per_s: float = 0.0
    # The date it was measured.
    at: str = field(default_factory=today)
    options: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        """From the generator's own words."""
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
        """Whether the server was the limit, as far as can be seen: a saturated generator measures itself.

        Above 0.9 of its core it is taken for saturated, and above 0.6 where others left nothing of the core. With less than that
        it was the others who worked (Postgres, Redis), or it had waited anyway.
        """
        share = self.cpu["generator"]
        return share <= SATURATED and not (share > LARGE_PART and self.load_core > FULL)

    @property
    def load_others(self) -> float:
        """Share of the generator's core that no process of this run had."""
        ours = sum(share for name, share in self.cpu.items() if name not in ON_SERVER_CORE)
        return max(0.0, self.load_core - ours)

    @property
    def whole(self) -> bool:
        """Whether everything that was sent came, once, to everybody."""
        return self.kept and not self.refused

    @property
    def kept(self) -> bool:
        """Whether each delivery came, once, to every connection that was promised it."""
        return not (self.lost or self.doubled or self.wrong_connections or self.failed or self.closed_early)

    @property
    def server_cpu(self) -> float:
        """Cores the server used, a proxy in front of it included."""
        return self.cpu.get("server", 0.0) + self.cpu.get("nginx", 0.0)

    @property
    def shared(self) -> bool:
        """Whether others took more than a tenth of the server's core: the rate is too low then, the cost is not."""
        return self.server_core - self.server_cpu > 0.1

    @property
    def us_per_delivery(self) -> float:
        """Processor time of the server for one delivery, in microseconds."""
        return self.server_cpu / self.deliveries_per_s * 1e6 if self.deliveries_per_s else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {
            "valid": self.valid,
            "shared": self.shared,
            "load_others": self.load_others,
            "whole": self.whole,
            "us_per_delivery": self.us_per_delivery,
        }


def ratio(figure: float, baseline: float) -> float | None:
    """How many times the baseline; None where there is nothing to divide by."""
    return figure / baseline if baseline else None


def shown(figure: Figure) -> str:
    """One line for people."""
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
    """A line for each figure of the product in which a delivery was lost, doubled or went astray, or the log lacks a message.

    In the open loop each rate that was tried is held to that, also those it did not keep up with: late is not lost, and what was
    refused was not promised.
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
