"""The tables of a run: each target reached or missed, and every figure.

Usage: python -m bench.report RESULTS.json [PAGE]

With PAGE the text between its lines `<!-- figures -->` and `<!-- end of figures -->` is replaced.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.results import ON_SERVER_CORE, ratio

Figures = list[dict[str, Any]]
_NOT_SHOWN = {"tried", "stored"}
# What a row counts, if not deliveries.
_RATES = {
    "ingest 64": "messages_per_s",
    "ingest 512": "messages_per_s",
    "first joins": "arrivals_per_s",
    "idle streams": "arrivals_per_s",
}
# Share of its core above which a server is full, so that its cost per delivery only follows from the core and the rate.
_FULL_SERVER = 0.9


class Line(NamedTuple):
    """One target: the figure found, the figure required, and whether it is reached.

    `reached` is None if it was not measured.
    """

    figure: str
    found: str
    at_least: str
    reached: bool | None


def targets(found: dict[str, Any]) -> str:
    """Return a Markdown table of the targets."""
    text = ["| figure | found | at least | |", "| --- | --- | --- | --- |"]
    said = {True: "reached", False: "missed", None: "not measured"}
    text += [f"| {line.figure} | {line.found} | {line.at_least} | {said[line.reached]} |" for line in lines(found["rows"])]
    return "\n".join(text)


def figures(found: dict[str, Any]) -> str:
    """Return a Markdown table of all figures."""
    text = [
        "| row | system | a second | p50 / p99 / p999, ms | server, cores | generator, cores | µs a delivery | lost | remarks |"
    ]
    text.append("| --- | --- | ---: | --- | ---: | ---: | ---: | ---: | --- |")
    newest = _dates(found)[-1]
    for row, measured in found["rows"].items():
        for figure in measured:
            at = figure["latency_ms"]
            rate = figure["handshakes_per_s"] or figure[_RATES.get(row, "deliveries_per_s")]
            text.append(
                f"| {row} | {figure['system']} | {rate:,.0f} | {at['p50']:.1f} / {at['p99']:.1f} / {at['p999']:.1f}"
                f" | {_server(figure):.2f} | {figure['cpu']['generator']:.2f} | {figure['us_per_delivery']:.2f}"
                f" | {figure['lost']} | {'; '.join(_remarks(figure, newest))} |"
            )
    return "\n".join(text)


def _remarks(figure: dict[str, Any], newest: str) -> Iterator[str]:
    for name, value in figure["notes"].items():
        if name not in _NOT_SHOWN:
            yield f"{name.replace('_', ' ')} {_short(value)}"
    if not figure["valid"]:
        yield "generator saturated: invalid"
    if figure["shared"]:
        yield f"others had {figure['server_core'] - _server(figure):.0%} of the core"
    if figure.get("load_others", 0.0) > 0.1:
        yield f"others had {figure['load_others']:.0%} of the load core"
    if figure.get("at", newest) != newest:
        yield f"measured {figure['at']}"


def _server(figure: dict[str, Any]) -> float:
    return float(sum(share for name, share in figure["cpu"].items() if name in ON_SERVER_CORE))


def _dates(found: dict[str, Any]) -> list[str]:
    """Return the dates of the measurements, the newest last."""
    return sorted({figure.get("at", found["at"]) for measured in found["rows"].values() for figure in measured} or {found["at"]})


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def lines(rows: dict[str, Figures]) -> list[Line]:
    """Return the targets whose rows were measured."""
    return [*_fan_out(rows), *_ingest(rows), *_first_joins(rows), *_latency(rows), *_small_things(rows), *_costs(rows)]


def _of(rows: dict[str, Figures], row: str, system: str, **notes: Any) -> dict[str, Any] | None:
    """Return a valid figure of a row by system and notes."""
    for figure in rows.get(row, []):
        if figure["system"] == system and figure["valid"] and notes.items() <= figure["notes"].items():
            return figure
    return None


def _line(title: str, found: str, at_least: str, reached: bool, *ours: dict[str, Any]) -> Line:
    """Make a line; a run with wrong deliveries reaches no target."""
    whole = all(figure["whole"] for figure in ours)
    return Line(title, found + ("" if whole else "; NOT WHOLE"), at_least, reached and whole)


def _times(value: float) -> str:
    """Format a ratio, with two digits if one would round a miss up to its target."""
    return f"{value:.2f} ×" if value < 10 else f"{value:.1f} ×"


def _against(
    rows: dict[str, Figures],
    title: str,
    row: str,
    wanted: dict[str, float],
    key: str = "deliveries_per_s",
    *,
    system: str = "hubbub",
) -> Line:
    ours = _of(rows, row, system)
    at_least = ", ".join(f"{times:g} × {system}" for system, times in wanted.items())
    theirs = {name: _of(rows, row, name) for name in wanted}
    if ours is None or None in theirs.values():
        return Line(title, "", at_least, None)
    times = {name: ratio(ours[key], figure[key]) for name, figure in theirs.items() if figure}
    parts = [f"{ours[key]:,.0f}/s"] + [f"{_times(value)} {name}" for name, value in times.items() if value is not None]
    # No ratio: reached if the baseline never kept up at any rate (the open loop has rate 0), otherwise not measured.
    missing = {name: figure for name, figure in theirs.items() if figure and times[name] is None}
    if any(figure["notes"].get("rate") != 0 for figure in missing.values()):
        return Line(title, "; ".join(parts), at_least, None)
    parts += [f"{'the tutorial' if name == 'tutorial' else name} keeps up with no rate" for name in missing]
    reached = all(value is None or value >= wanted[name] for name, value in times.items())
    return _line(title, "; ".join(parts), at_least, reached, ours)


def _fan_out(rows: dict[str, Figures]) -> Iterator[Line]:
    yield _against(rows, "room of 1,000, closed loop", "fan-out 1000", {"tutorial": 40, "socket.io": 1.2})
    yield _against(rows, "room of 1,000, open loop, p99 < 100 ms", "open loop 1000", {"tutorial": 200, "socket.io": 5})
    yield _against(rows, "200 rooms of 5", "200 rooms of 5", {"tutorial": 18, "socket.io": 0.7})
    yield _against(rows, "200 rooms of 5, each commit synced to disk", "200 rooms of 5 with fsync", {"socket.io": 0.9})


def _ingest(rows: dict[str, Figures]) -> Iterator[Line]:
    wanted = {"tutorial, create per message": 15.0}
    yield _against(rows, "512 senders, committed and delivered", "ingest 512", wanted, "messages_per_s")


def _first_joins(rows: dict[str, Figures]) -> Iterator[Line]:
    # 2,000 a second on the machine on which the tutorial, which keeps nothing, had 1,340.
    for title, system in (("first joins", "hubbub"), ("first joins, room dialect", "hubbub, room dialect")):
        yield _against(rows, title, "first joins", {"tutorial": 1.5}, "arrivals_per_s", system=system)


def _latency(rows: dict[str, Figures]) -> Iterator[Line]:
    title, asked = "p99 at half of its own maximum", "the tutorial's p50 at half of its maximum / 5"
    ours, theirs = _of(rows, "half load", "hubbub"), _of(rows, "half load", "tutorial")
    if ours is None or theirs is None:
        yield Line(title, "", asked, None)
        return
    p99, p50 = ours["latency_ms"]["p99"], theirs["latency_ms"]["p50"]
    yield _line(title, f"{p99:.1f} ms; the tutorial's p50 is {p50:.1f} ms", asked, p99 <= p50 / 5, ours)


def _small_things(rows: dict[str, Figures]) -> Iterator[Line]:
    title, asked = "idle authenticated connection, one joined room", "≤ 25 kB"
    idle = _of(rows, "idle memory", "hubbub")
    if idle is None:
        yield Line(title, "", asked, None)
    else:
        kilobytes = idle["notes"]["kb_per_connection"]
        yield _line(title, f"{kilobytes} kB", asked, kilobytes <= 25, idle)
    for credential in ("token", "session"):
        title, asked = f"handshakes a second by {credential}", "1,500"
        found = _of(rows, "handshakes", "hubbub", credential=credential)
        if found is None:
            yield Line(title, "", asked, None)
        else:
            rate = found["handshakes_per_s"]
            yield _line(title, f"{rate:,.0f}", asked, rate >= 1500, found)


def _costs(rows: dict[str, Figures]) -> Iterator[Line]:
    two, one = _of(rows, "two workers", "hubbub, 2 workers"), _of(rows, "two workers", "hubbub, 1 workers")
    yield _cost("processor time of a delivery, two workers against one", two, one, 1.1)
    large, usual = _of(rows, "large room", "hubbub", members=10_000), _of(rows, "large room", "hubbub", members=1000)
    yield _cost("processor time of a delivery, room of 10,000 against 1,000", large, usual, 1.2)


def _cost(title: str, figure: dict[str, Any] | None, against: dict[str, Any] | None, most: float) -> Line:
    """Make a line for a cost.

    Two costs on a full core are always equal.

    Each is then the core divided by the requested rate.
    """
    asked = f"≤ {most} ×"
    if figure is None or against is None or not against["us_per_delivery"]:
        return Line(title, "", asked, None)
    times = figure["us_per_delivery"] / against["us_per_delivery"]
    found = f"{times:.2f} × ({figure['us_per_delivery']:.2f} against {against['us_per_delivery']:.2f} µs)"
    if max(figure["server_core"], against["server_core"]) > _FULL_SERVER:
        return Line(title, f"{found}; the server's core was full", asked, None)
    return _line(title, found, asked, times <= most, figure, against)


def section(found: dict[str, Any]) -> str:
    """Return machine, date and both tables in Markdown.

    The picture's path is relative to docs/performance.md.
    """
    on = found["machine"]
    where = f"{on['cores']} cores of an {on['model']} (virtual machine), {on['memory_gib']} GiB, Linux {on['kernel']}"
    *older, newest = _dates(found)
    when = newest + (f" (some rows {' and '.join(older)}: see the remarks)" if older else "")
    picture = "![cost of a delivery over room size](images/bench-cost.svg)"
    return f"{when}, {where}.\n\n{targets(found)}\n\n### All of them\n\n{picture}\n\n{figures(found)}"


def main(results: str, page: str | None = None) -> None:
    """Print the tables, or write them into `page`."""
    text = section(json.loads(Path(results).read_text()))
    if page is None:
        print(text)
        return
    before, begin, rest = Path(page).read_text().partition("<!-- figures -->\n")
    _, end, after = rest.partition("\n<!-- end of figures -->")
    if not begin or not end:
        sys.exit(f"{page} has no lines <!-- figures --> and <!-- end of figures -->")
    Path(page).write_text(before + begin + text + end + after)


if __name__ == "__main__":
    main(*sys.argv[1:3])
