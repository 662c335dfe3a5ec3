"""The benchmark's own report: losses, saturation, ratios, targets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import load, plots, profile, report, results, rounds, rows
from bench.__main__ import rows_of_before, verdict
from bench.results import Figure, ratio, wrong
from bench.search import highest_rate, keeps_up
from tests.support.server import base_environment


def figure_of(system: str = "hubbub", **changes: Any) -> Figure:
    latency = {"p50": 1.0, "p99": 2.0, "p999": 3.0}
    values: dict[str, Any] = {
        "deliveries_per_s": 1000.0, "messages_per_s": 10.0, "handshakes_per_s": 0.0, "latency_ms": latency,
        "completion_ms": latency, "cpu": {"server": 0.5, "generator": 0.3}, "load_core": 0.5, "server_core": 0.5, "lost": 0,
        "doubled": 0, "wrong_connections": 0, "failed": 0, "closed_early": 0, "overloaded": False, "load_average": 0.5,
    }  # fmt: skip
    return Figure(system=system, **{**values, **changes})


def test_a_saturated_generator_makes_a_figure_invalid() -> None:
    assert figure_of().valid
    saturated = figure_of(cpu={"server": 0.5, "generator": 0.95})
    assert not saturated.valid
    rows = {"fan-out 1000": [figure.as_dict() for figure in (saturated, figure_of("tutorial"), figure_of("socket.io"))]}
    assert report.lines(rows)[0].reached is None


@pytest.mark.parametrize(("generator", "core", "valid"), [(0.7, 0.98, False), (0.7, 0.9, True), (0.5, 1.0, True)])
def test_generator_on_a_full_core_makes_a_figure_invalid(generator: float, core: float, valid: bool) -> None:
    assert figure_of(cpu={"server": 0.5, "generator": generator}, load_core=core).valid is valid


def rows_with(ours: Figure, tutorial: float, node: float) -> dict[str, Any]:
    others = figure_of("tutorial", deliveries_per_s=tutorial), figure_of("socket.io", deliveries_per_s=node)
    return {"fan-out 1000": [figure.as_dict() for figure in (ours, *others)]}


@pytest.mark.parametrize(("tutorial", "node", "reached"), [(25, 800, True), (26, 800, False), (25, 900, False)])
def test_a_target_needs_all_its_ratios(tutorial: float, node: float, reached: bool) -> None:
    line = report.lines(rows_with(figure_of(), tutorial, node))[0]
    assert line.reached is reached
    assert f"{1000 / tutorial:.1f} × tutorial" in line.found


# All figures of the product, each of which reaches its target.
REACHED: list[tuple[str, list[Figure]]] = [
    ("fan-out 1000", [figure_of()]),
    ("open loop 1000", [figure_of()]),
    ("200 rooms of 5", [figure_of()]),
    ("200 rooms of 5 with fsync", [figure_of()]),
    ("ingest 512", [figure_of()]),
    ("first joins", [figure_of(name, arrivals_per_s=2000.0) for name in ("hubbub", "hubbub, room dialect")]),
    ("half load", [figure_of()]),
    ("idle memory", [figure_of(notes={"kb_per_connection": 20.0})]),
    ("handshakes", [figure_of(handshakes_per_s=2000.0, notes={"credential": kind}) for kind in ("token", "session")]),
    ("two workers", [figure_of("hubbub, 1 workers"), figure_of("hubbub, 2 workers")]),
    ("large room", [figure_of(notes={"members": members}) for members in (1000, 10_000)]),
]


def table(**changes: Any) -> dict[str, Any]:
    slow = dict.fromkeys(("p50", "p99", "p999"), 100.0)
    others = [
        figure_of(name, deliveries_per_s=1.0, messages_per_s=0.1, arrivals_per_s=1000.0, latency_ms=slow)
        for name in ("tutorial", "socket.io", "tutorial, create per message")
    ]
    return {row: [figure.as_dict() | changes for figure in ours] + [o.as_dict() for o in others] for row, ours in REACHED}


LINES = [line.figure for line in report.lines(table())]


@pytest.mark.parametrize("title", LINES)
def test_figure_with_a_loss_misses_its_target(title: str) -> None:
    whole, broken = (next(line for line in report.lines(rows) if line.figure == title) for rows in (table(), table(whole=False)))
    assert whole.reached is True
    assert broken.reached is False
    assert re.search("NOT WHOLE", broken.found)


@pytest.mark.parametrize("row", ["two workers", "large room"])
def test_a_cost_on_a_full_core_is_not_measured(row: str) -> None:
    for place in (0, 1):
        found = table()
        found[row][place]["server_core"] = 0.95
        missing = [line for line in report.lines(found) if line.reached is None]
        assert len(missing) == 1
        assert "the server's core was full" in missing[0].found


def test_baseline_without_a_sustained_rate_is_named() -> None:
    found = table()
    found["open loop 1000"][1] |= {"deliveries_per_s": 0.0, "notes": {"rate": 0}}
    line = next(line for line in report.lines(found) if "open loop" in line.figure)
    assert line.reached is True
    assert "the tutorial keeps up with no rate" in line.found


def test_ratio_just_below_its_target_is_not_rounded_up() -> None:
    rows = rows_with(figure_of(deliveries_per_s=1196.0), 1, 1000)
    assert "1.20 × socket.io" in report.lines(rows)[0].found
    rows = rows_with(figure_of(deliveries_per_s=1170.0), 1, 1000)
    assert "1.17 × socket.io" in report.lines(rows)[0].found


def test_table_names_other_load_on_the_generators_core() -> None:
    found = {"at": "2026-11-21", "rows": {"small": [figure_of(cpu={"server": 0.5, "redis": 0.1, "generator": 0.25}).as_dict()]}}
    assert "| 0.25 |" in report.figures(found)
    assert "others had 15% of the load core" in report.figures(found)
    found["rows"] = {"small": [figure_of(cpu={"server": 0.5, "redis": 0.2, "generator": 0.25}).as_dict()]}
    assert "of the load core" not in report.figures(found)


def test_rows_of_another_day_are_named() -> None:
    old, new = (figure_of(at=at).as_dict() for at in ("2026-11-19", "2026-11-21"))
    found = {
        "at": "2026-11-21",
        "machine": {"cores": 2, "model": "X", "memory_gib": 4, "kernel": "6"},
        "rows": {"a": [new], "b": [old]},
    }
    assert report.section(found).startswith("2026-11-21 (some rows 2026-11-19")
    assert "measured 2026-11-19" in report.figures(found)
    assert "measured 2026-11-21" not in report.figures(found)


def test_rounds_are_interleaved_and_the_median_is_kept() -> None:
    order: list[str] = []
    rates = {"a": iter((10.0, 30.0, 20.0)), "b": iter((1.0, 3.0, 1200.0))}

    def turn(kind: str) -> Callable[[], Figure]:
        def measure() -> Figure:
            order.append(kind)
            return figure_of(kind, deliveries_per_s=next(rates[kind]), lost=len(order) == 3)

        return measure

    taken = rounds.take(3, {kind: turn(kind) for kind in "ab"})
    assert order == list("ababab")
    assert rounds.middle(taken["a"]).deliveries_per_s == 20
    assert rounds.middle(taken["a"]).lost == 1  # the second round is the middle one
    assert rounds.middle(taken["b"]).whole
    assert rounds.spread(taken["b"]) == {"range": "1 to 1,200"}
    assert rounds.spread(taken["b"], digits=1, name="rate") == {"rate": "1.0 to 1,200.0"}
    assert rounds.spread(taken["b"][:1]) == {}


POINT = {"rate": 8.0, "lost": 0, "doubled": 0, "refused": 0, "kept": True}


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (figure_of(), None),
        (figure_of(lost=1), "1 lost"),
        (figure_of("hubbub, 2 workers", doubled=2), "2 doubled"),
        (figure_of(closed_early=1), "1 closed"),
        (figure_of("socket.io", lost=1), None),
        (figure_of(notes={"tried": [POINT]}), None),
        (figure_of(refused=4), "4 messages refused"),
        (figure_of(notes={"tried": [POINT, POINT | {"lost": 3, "kept": False}]}), "8 messages a second: 3 lost"),
        (figure_of(notes={"tried": [POINT, POINT | {"refused": 3}]}), None),
        (figure_of("ws", notes={"tried": [POINT | {"lost": 3, "kept": False}]}), None),
        (figure_of(sent=7, notes={"stored": 7}), None),
        (figure_of(sent=7, notes={"stored": 6}), "7 sent, 6 in the log"),
    ],
)
def test_error_is_reported_and_fails_the_run(figure: Figure, said: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    lines = list(wrong({"row": [figure]}))
    assert len(lines) == (said is not None)
    assert verdict({"row": [figure]}, 170, quick=True) == len(lines)
    assert capsys.readouterr().err == "".join(f"{line}\n" for line in lines)
    assert said is None or said in lines[0]


def test_slow_quick_form_is_reported_without_failing(capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict({}, 181, quick=True) == 0
    assert "THE QUICK FORM TOOK 181 s" in capsys.readouterr().err
    assert verdict({}, 1200, quick=False) == 0
    assert not capsys.readouterr().err


def test_rows_are_kept_from_runs_of_the_same_form_only(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    assert rows_of_before(path, quick=False) == {}
    path.write_text(json.dumps({"at": "2026-11-19", "quick": False, "rows": {"small": [{"lost": 0}]}}))
    assert rows_of_before(path, quick=True) == {}
    assert rows_of_before(path, quick=False) == {"small": [{"lost": 0, "at": "2026-11-19"}]}


def test_settings_of_the_caller_do_not_reach_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_COMPRESSION", "1")
    assert "WS_COMPRESSION" not in base_environment()


def test_rows_of_the_quick_form_exist() -> None:
    assert set(rows.QUICK) < set(rows.ROWS)


def test_streams_that_failed_to_open_are_no_good_figure() -> None:
    good, bad = (load.idle_figure("hubbub", arrivals_per_s=200.0, failed=failed) for failed in (0, 3))
    assert (good.valid, good.whole, results.shown(good).split()[1]) == (True, True, "200")
    assert list(wrong({"idle streams": [good]})) == []
    assert "3 failed" in next(wrong({"idle streams": [bad]}))


def test_baseline_without_deliveries_is_not_beaten() -> None:
    assert report.lines(rows_with(figure_of(), 0, 1))[0].reached is None


def test_ratio_to_zero_is_none() -> None:
    assert ratio(1, 0) is None
    assert figure_of(deliveries_per_s=0.0).us_per_delivery == 0


@pytest.mark.parametrize("limit", [3.0, 95.0, 800.0])
def test_the_search_finds_the_highest_rate(limit: float) -> None:
    def attempt(rate: float) -> Figure:
        slow = {"p50": 1.0, "p99": 2.0 if rate <= limit else 500.0, "p999": 600.0}
        return figure_of(latency_ms=slow, options={"rate": rate})

    best, tried = highest_rate(attempt, 40.0)
    assert best is not None
    assert limit * 0.85 <= best.options["rate"] <= limit
    assert len(tried) < 20


def test_run_without_deliveries_does_not_keep_up() -> None:
    assert not keeps_up(figure_of(deliveries_per_s=0.0))


def test_server_that_never_keeps_up_has_no_rate() -> None:
    best, tried = highest_rate(lambda rate: figure_of(lost=1, options={"rate": rate}), 40.0)
    assert best is None
    assert tried


def test_pictures_show_what_was_measured(tmp_path: Path) -> None:
    def point(system: str, cost: float) -> dict[str, Any]:
        return {
            "system": system,
            "us_per_delivery": cost,
            "notes": {"tried": [{"rate": 1.0, "p99": 5.0}, {"rate": 2.0, "p99": 9.0}]},
        }

    rows = {f"fan-out {size}": [point("hubbub", 1.0), point("ws", 2.0)] for size in (10, 1000)}
    assert plots.pictures({"fan-out 10": rows["fan-out 10"]}, tmp_path) == []
    written = plots.pictures(rows | {"open loop 1000": [point("hubbub", 1.0)]}, tmp_path)
    assert [path.name for path in written] == ["bench-latency.png", "bench-latency.svg", "bench-cost.png", "bench-cost.svg"]
    for path in written:
        assert path.read_bytes().startswith((b"\x89PNG", b"<?xml"))
    for shown in ("hubbub", "ws", "people in the room"):
        assert f"<!-- {shown} -->" in (tmp_path / "bench-cost.svg").read_text()


def test_profile_shows_own_and_total_time_of_a_function() -> None:
    samples = (
        "run (a.py:1);send (b.py:5);write (c.py:7) 60",
        "run (a.py:2);send (b.py:6) 20",
        "run (a.py:2);walk (d.py:1);walk (d.py:2) 20",
    )
    assert profile.shares("\n".join(samples)) == [
        ("run (a.py)", 1.0, 0.0),
        ("send (b.py)", 0.8, 0.2),
        ("write (c.py)", 0.6, 0.6),
        ("walk (d.py)", 0.2, 0.2),
    ]
