"""The conditions a run must meet to pass.

Pure: reads the report's figures, returns one line per gate.

Correctness always counts: a lost event fails every run. Latencies count if a set of thresholds.toml is chosen; a figure without
a sample fails if every run of this shape must have one. The generator must have had time to spare; otherwise the run is
invalid, neither passed nor failed. Losses, duplicates and refusals fail it all the same: a late generator
explains none of them.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest import figures, generator
from loadtest.values import BadOption

Limits = dict[str, dict[str, float]]
_PARTS = ("p50", "p95", "p99", "max")
_RUN = "run"  # a set's table about the whole run
OF_GENERATOR = frozenset(generator.LIMITS)
_OF_RUN = ("errors", "connections_lost", "achieved", "gaps", *generator.LIMITS)


@dataclass(frozen=True)
class Gate:
    """One condition: its limit, the figure found, and whether it holds."""

    asked: str
    found: str
    held: bool


def limits(path: Path, name: str) -> Limits:
    """Read a set of latency limits, figure → part → milliseconds.

    Empty without a name.

    Raises BadOption.
    """
    if not name:
        return {}
    try:
        sets = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadOption(f"the thresholds in {path} cannot be read: {error}") from error
    if name not in sets:
        raise BadOption(f"GATES={name!r} does not exist in {path}; there is: {', '.join(sorted(sets)) or 'none'}")
    chosen: Limits = sets[name]
    for figure, parts in chosen.items():
        if figure not in (*figures.ALL, _RUN):
            raise BadOption(f"{path}: {figure!r} is no figure; there are: {', '.join((*figures.ALL, _RUN))}")
        known = _OF_RUN if figure == _RUN else _PARTS
        wrong = [part for part, value in parts.items() if part not in known or not isinstance(value, int | float)]
        if wrong:
            unit = "numbers" if figure == _RUN else "milliseconds"
            raise BadOption(f"{path}: {figure}: {', '.join(wrong)}: use {', '.join(known)} in {unit}")
    return chosen


def of(summary: dict[str, Any], limits_: Limits) -> list[Gate]:
    """Return every gate of a run except those of its shape."""
    return correctness(summary, limits_) + latency(summary, limits_)


def judge(summary: dict[str, Any], held: list[Gate], starved: str, latencies: list[Gate]) -> None:
    """Add gates and verdict to the summary.

    A starved generator can only prove a server wrong.
    """
    summary["gates"] = [{"asked": gate.asked, "found": gate.found, "held": gate.held} for gate in held]
    summary["invalid"] = starved
    missed = {gate for gate in held if not gate.held}
    if starved and missed <= set(latencies):
        summary["verdict"] = "invalid"
    else:
        summary["verdict"] = "failed" if missed else "passed"
    summary["passed"] = summary["verdict"] == "passed"


def starved(summary: dict[str, Any], limits_: Limits) -> str:
    """Return why a run proves nothing about the server; empty if it does."""
    own, most = summary["generator"], generator_limits(limits_)
    worst = f"in its worst {generator.WINDOW:g} s"
    found = (
        ("generator_cpu", own["cpu_percent"], "it used {:.0f} % of its core (limit {:g} %)"),
        ("generator_cpu_worst", own["cpu_percent_worst"], f"it used {{:.0f}} % of its core {worst} (limit {{:g}} %)"),
        ("generator_lag", own["lag_ms"]["p99"], "its loop was {:.0f} ms late at p99 (limit {:g} ms)"),
        ("generator_lag_worst", own["lag_ms"]["worst_p99"], f"its loop was {{:.0f}} ms late at p99 {worst} (limit {{:g}} ms)"),
    )
    return " and ".join(text.format(value, most[name]) for name, value, text in found if value >= most[name])


def generator_limits(limits_: Limits) -> dict[str, float]:
    """Return the generator's limits: those of the set, else generator.LIMITS.

    A wider limit for the run also applies to its worst stretch, unless that has its own.
    """
    run_limits = limits_.get(_RUN, {})
    most = {name: run_limits.get(name, usual) for name, usual in generator.LIMITS.items()}
    for name in ("generator_cpu", "generator_lag"):
        if f"{name}_worst" not in run_limits:
            most[f"{name}_worst"] = max(most[name], most[f"{name}_worst"])
    return most


def correctness(summary: dict[str, Any], limits_: Limits | None = None) -> list[Gate]:
    """Require correct delivery of every event, few failures, and some activity."""
    run_limits = (limits_ or {}).get(_RUN, {})
    found = [Gate("the run came to its end", summary["aborted"] or "yes", not summary["aborted"])]
    acknowledged, deliveries = summary["acknowledged"], summary["counts"].get("deliveries", 0)
    found.append(Gate("messages acknowledged", f"{acknowledged}", acknowledged > 0))
    if summary["users"] > summary["rooms"]:
        found.append(Gate("messages delivered to others", f"{deliveries}", deliveries > 0))
    if not summary["aborted"]:
        read = summary["counts"].get("logs read", 0)
        found.append(Gate("logs read at the end", f"{read}", read > 0))
    found += [Gate(f"{kind}: none", f"{count}", count == 0) for kind, count in summary["faults"].items()]
    exceptions = sum(error["times"] for error in summary["exceptions"])
    found.append(Gate("exceptions: none", f"{exceptions}", exceptions == 0))
    found.append(_failures(summary, run_limits))
    if "connections_lost" in run_limits:
        lost, most = summary["counts"].get("connections lost", 0), run_limits["connections_lost"]
        found.append(Gate(f"connections lost: at most {most:g}", f"{lost}", lost <= most))
    return found


def _failures(summary: dict[str, Any], run_limits: dict[str, float]) -> Gate:
    """Allow no failure, except a share of all attempts if the set has one."""
    failures = sum(error["times"] for error in summary["errors"])
    if not run_limits.get("errors"):
        return Gate("failures: none", f"{failures}", failures == 0)
    tried = sum(figure["count"] for figure in summary["figures"].values()) or 1
    return Gate(
        f"failures: at most {run_limits['errors']:.2%}", f"{failures} of {tried}", failures <= run_limits["errors"] * tried
    )


def latency(summary: dict[str, Any], limits_: Limits) -> list[Gate]:
    """Return a gate per limit, and the run's gates that a late generator can fail."""
    found = _keeping_up(summary, limits_.get(_RUN, {}))
    for figure, parts in limits_.items():
        if figure == _RUN:
            continue
        row = summary["figures"].get(figure)
        for part, most in parts.items():
            asked = f"{figure}: {part} at most {most:g} ms"
            if row:
                found.append(Gate(asked, f"{row[part]:g} ms", row[part] <= most))
            else:
                found.append(Gate(asked, "no sample", figure not in summary["certain"]))
    return found


def _keeping_up(summary: dict[str, Any], run_limits: dict[str, float]) -> list[Gate]:
    """Return whether the server handled and delivered the offered load."""
    found = []
    if "achieved" in run_limits:
        due, achieved = summary["offered"]["messages"], summary["offered"]["achieved"]
        behind = max(1, (1 - run_limits["achieved"]) * due)  # one message under way at the end is no queue
        asked = f"messages acknowledged before the end: at least {run_limits['achieved']:.0%} of those due"
        found.append(Gate(asked, f"{achieved} of {due}", due - achieved <= behind))
    if "gaps" in run_limits:
        gaps = summary["counts"].get("gaps", 0)
        found.append(Gate(f"gaps: at most {run_limits['gaps']:g}", f"{gaps}", gaps <= run_limits["gaps"]))
    return found
