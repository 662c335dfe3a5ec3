"""The end of a run: print and write figures, counts, gates, the generator's state.

summary.json has everything except the course over time, which timeline.csv lists and timeline.png shows.
"""

import csv
import json
import platform
import sys
import textwrap
from pathlib import Path
from typing import Any

from locust.html import get_html_report
from locust.stats import PERCENTILES_TO_REPORT, RequestStats, StatsCSV, StatsEntry

from loadtest import figures, gates, picture
from loadtest.conductor import Conductor
from loadtest.generator import WINDOW

_PARTS = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999))
_VERDICTS = {"passed": 0, "failed": 1, "invalid": 3}


def close(conductor: Conductor, environment: Any) -> int:
    """Print and write the report; return the exit code.

    0: all gates held; 1: a gate was missed; 3: the run proves nothing.
    """
    summary = collect(conductor, environment.stats)
    settings = conductor.settings
    limits = gates.limits(settings.thresholds, settings.gates)
    held = gates.of(summary, limits) + conductor.shape.crowd_gates(summary) + conductor.shape.gates(summary)
    stated = gates.OF_GENERATOR & limits.get("run", {}).keys()
    summary["generator"]["limits"] = gates.generator_limits(limits)
    summary["generator"]["limits_from"] = f"GATES={settings.gates}" if stated else "the defaults"
    gates.judge(summary, held, gates.starved(summary, limits), gates.latency(summary, limits))
    settings.report.mkdir(parents=True, exist_ok=True)
    text = json.dumps(summary, ensure_ascii=False, indent=2)
    (settings.report / "summary.json").write_text(text + "\n")
    rows = conductor.results.timeline.rows()
    write_timeline(rows, settings.report / "timeline.csv")
    write_statistics(environment, settings.report)
    if settings.picture:
        picture.begin(rows, summary, settings.report / "timeline.png")
    print("\n".join(lines(summary)), file=sys.stderr if settings.json else sys.stdout, flush=True)
    if settings.json:
        print(text, flush=True)
    return _VERDICTS[summary["verdict"]]


def collect(conductor: Conductor, stats: RequestStats) -> dict[str, Any]:
    """Return all knowledge of the run for JSON.

    Latencies are milliseconds, times seconds.
    """
    entries = {entry.name: row(entry) for entry in stats.entries.values() if entry.method != "FAULT"}
    settings, found = conductor.settings, conductor.results
    return {
        "run": settings.run,
        "shape": settings.shape,
        "url": settings.url,
        "machine": f"{platform.platform()}, Python {platform.python_version()}",
        "users": settings.users,
        "users_came": found.counts["users who came"],
        "rooms": conductor.shape.rooms,
        "profiles": {profile.name: round(share, 4) for profile, share in conductor.shape.profiles()},
        "think_s": settings.think,
        "connected_in_s": round(conductor.connected_in, 2),
        "timed_s": round(conductor.timed, 2),
        "aborted": conductor.aborted,
        "refused": conductor.refused,
        "figures": {name: entries[name] for name in figures.ALL if name in entries},
        "certain": sorted(conductor.shape.certain),
        "steps": [_step(conductor, begin, end) for begin, end in conductor.shape.steps()],
        "acknowledged": found.acknowledged,
        "counts": dict(found.counts),
        "offered": {"messages": found.counts["messages offered"], "achieved": found.counts["messages achieved"]},
        "faults": found.fault_counts(),
        "examples": found.examples,
        "connections_ended": dict(found.endings),
        "errors": [
            {"figure": error.name, "what": str(error.error), "times": error.occurrences} for error in stats.errors.values()
        ],
        "exceptions": [{"what": what, "times": times} for what, times in found.exceptions.most_common()],
        "advice": found.advice,
        "generator": found.generator(),
        "clock_error_ms": found.clock_error_ms,
    }


def _step(conductor: Conductor, begin: float, end: float) -> dict[str, Any]:
    """Return the figures of one stretch of the run."""
    timeline = conductor.results.timeline
    named = (figures.ACKNOWLEDGED, figures.DELIVERED)
    found = {name: window for name in named if (window := timeline.window(name, begin, end))}
    counted = {what: round(timeline.counted(what, begin, end) / (end - begin), 1) for what in ("messages", "deliveries")}
    users = conductor.shape.users_at((begin + end) / 2)
    return {
        "from_s": round(begin, 1),
        "to_s": round(end, 1),
        "users": users,
        "there": timeline.users_between(begin, end),
        "a_second": counted,
        "figures": found,
    }


def write_statistics(environment: Any, report: Path) -> None:
    """Write Locust's own tables and charts at the end of each run.

    Its --html and --json-file write at the end of the process, which may serve many runs from the page; with workers its --csv
    writes after closing the files.
    """
    tables = StatsCSV(environment, PERCENTILES_TO_REPORT)
    for name, write in (("stats", tables.requests_csv), ("failures", tables.failures_csv), ("exceptions", tables.exceptions_csv)):
        with (report / f"locust_{name}.csv").open("w", newline="") as file:
            write(csv.writer(file))
    # Like save_stats_json, which however empties the entries that others still read.
    entries = [entry.serialize() for entry in environment.stats.entries.values() if entry.num_requests or entry.num_failures]
    (report / "locust.json").write_text(json.dumps(entries, ensure_ascii=False, indent=4))
    (report / "report.html").write_text(get_html_report(environment, show_download_link=False), encoding="utf-8")


def write_timeline(rows: list[dict[str, Any]], path: Path) -> None:
    """Write one line per slice of time; latencies in milliseconds, counts a second."""
    kinds = sorted({kind for one in rows for kind in one["a_second"]})
    names = [name for name in figures.ALL if any(name in one["figures"] for one in rows)]
    parts = ("count", "p50", "p95", "p99", "max")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["at_s", "users", *(f"{kind}/s" for kind in kinds), *(f"{name} {part}" for name in names for part in parts)]
        )
        for one in rows:
            counted = [one["a_second"].get(kind, 0) for kind in kinds]
            measured = [one["figures"].get(name, {}).get(part, "") for name in names for part in parts]
            writer.writerow([one["at"], one["users"], *counted, *measured])


def row(entry: StatsEntry) -> dict[str, float]:
    """Return one line of figures.

    Locust rounds samples to two significant digits (whole milliseconds below 100).
    """
    parts = {name: float(entry.get_response_time_percentile(part) or 0) for name, part in _PARTS}
    return {"count": entry.num_requests, "failures": entry.num_failures, **parts, "max": round(entry.max_response_time, 1)}


def lines(summary: dict[str, Any]) -> list[str]:
    """Return the report as lines of text."""
    whole = [*_table(summary), *_steps(summary), "", *_counts(summary), "", *_generator(summary), "", *_verdict(summary)]
    return [*_starved(summary, "below"), "", *whole] if summary["invalid"] else whole


def _starved(summary: dict[str, Any], where: str) -> list[str]:
    """Return the warning printed above and below a starved run's figures."""
    reason = f"GENERATOR STARVED: {summary['invalid']}. The latencies {where} describe this machine, not the server."
    return textwrap.wrap(reason, 120)


def _table(summary: dict[str, Any]) -> list[str]:
    wide = max(28, *(len(name) + 1 for name in summary["figures"])) if summary["figures"] else 28
    head = f"{'milliseconds':<{wide}}{'count':>9}{'failed':>8}{'p50':>8}{'p95':>8}{'p99':>8}{'p99.9':>8}{'max':>9}"
    found = [head, "-" * len(head)]
    for name, figure in summary["figures"].items():
        values = "".join(f"{figure[part]:>8.0f}" for part in ("p50", "p95", "p99", "p99.9"))
        found.append(f"{name:<{wide}}{figure['count']:>9}{figure['failures']:>8}{values}{figure['max']:>9.1f}")
    return found


def _steps(summary: dict[str, Any]) -> list[str]:
    if not summary["steps"]:
        return []
    found = ["", f"{'step':<12}{'users':>7}{'there':>10}{'messages/s':>12}{'deliveries/s':>14}  p95, p99 of {figures.DELIVERED}"]
    for step in summary["steps"]:
        row = step["figures"].get(figures.DELIVERED)
        delays = f"{row['p95']:.0f} ms, {row['p99']:.0f} ms" if row else "no sample"
        place = f"{step['from_s']:g}-{step['to_s']:g} s"
        there = "-".join(str(number) for number in sorted(set(step["there"] or ())))
        rates = f"{step['a_second']['messages']:>12}{step['a_second']['deliveries']:>14}"
        found.append(f"{place:<12}{step['users']:>7}{there:>10}{rates}  {delays}")
    return found


def _counts(summary: dict[str, Any]) -> list[str]:
    counts, seconds = summary["counts"], summary["timed_s"] or 1
    named = ["messages", "deliveries", "retries", "drops", "drains", "gaps"]
    elsewhere = {"messages offered", "messages achieved", "users who came", "delivered by resume", "bytes received", "bytes sent"}
    named += [name for name in counts if name not in named and name not in elsewhere]
    offered, achieved = summary["offered"]["messages"], summary["offered"]["achieved"]
    who = ", ".join(f"{name} {share:.0%}" for name, share in summary["profiles"].items())
    found = [
        f"{summary['shape']}: {summary['users']} users ({who}) in {summary['rooms']} rooms at {summary['url']}",
        f"{summary['users_came']} came, the first connected in {summary['connected_in_s']:g} s; chatted {summary['timed_s']:g} s",
        "  ".join(f"{name} {counts.get(name, 0)}" for name in named) + f"  acknowledged {summary['acknowledged']}",
        f"a second: {counts.get('messages', 0) / seconds:.1f} messages, {counts.get('deliveries', 0) / seconds:.1f} deliveries",
        f"due: {offered / seconds:.1f} messages a second, {achieved / (offered or 1):.1%} of them acknowledged before the end",
        f"delivered by resume or after a gap, and so in no delivery latency: {counts.get('delivered by resume', 0)}",
        f"{counts.get('bytes received', 0) / 1e6:.2f} MB received, {counts.get('bytes sent', 0) / 1e6:.2f} MB sent",
        "events: " + ", ".join(f"{count} {kind}" for kind, count in summary["faults"].items()),
        "connections ended: " + (", ".join(f"{how} × {n}" for how, n in summary["connections_ended"].items()) or "none"),
    ]
    found += [f"error × {error['times']}: {error['figure']}: {error['what']}" for error in summary["errors"]]
    found += [f"exception × {error['times']}: {error['what']}" for error in summary["exceptions"]]
    return found + [f"  {example}" for example in summary["examples"][:10]]


def _generator(summary: dict[str, Any]) -> list[str]:
    own = summary["generator"]
    lag = own["lag_ms"]
    late = f"late by {lag['p50']:g} ms (p50), {lag['p99']:g} ms (p99), {lag['max']:g} ms (most)"
    many = f"{own['processes']} generators, the busiest" if own["processes"] > 1 else "generator"
    most = own["limits"]
    found = [
        f"{many}: {own['cpu_percent']:g} % of one core, its loop {late}",
        f"  in its worst {WINDOW:g} s: {own['cpu_percent_worst']:g} %, {lag['worst_p99']:g} ms (p99)",
        f"  limits, from {own['limits_from']}: {most['generator_cpu']:g} %, {most['generator_lag']:g} ms (p99)",
        f"  and in the worst {WINDOW:g} s {most['generator_cpu_worst']:g} %, {most['generator_lag_worst']:g} ms (p99)",
    ]
    if summary["clock_error_ms"]:
        found.append(f"clocks of several hosts: deliveries between them are right to {summary['clock_error_ms']:g} ms")
    return found


def _verdict(summary: dict[str, Any]) -> list[str]:
    missed = [gate for gate in summary["gates"] if not gate["held"]]
    found = _starved(summary, "above") if summary["invalid"] else []
    found += [f"MISSED  {gate['asked']}: {gate['found']}" for gate in missed]
    found += [line for sentence in summary["advice"] for line in textwrap.wrap(f"HINT    {sentence}", 120)]
    if summary["verdict"] == "invalid":
        return [*found, "INVALID: the generator was starved, so this run judges nothing; raise PROCESSES, or use more machines"]
    verdict = f"FAILED: {len(missed)} of" if missed else "PASSED: all"
    starved = " (and the generator was starved: its latencies are INVALID)" if summary["invalid"] else ""
    return [*found, f"{verdict} {len(summary['gates'])} gates{starved}"]
