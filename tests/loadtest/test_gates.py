"""Gates: correctness always counts, latencies only if selected."""

from pathlib import Path
from typing import Any

import pytest

from loadtest import figures, gates, shapes
from loadtest.generator import LIMITS
from loadtest.ledger import KINDS
from loadtest.values import BadOption
from tests.loadtest.options import settings

SHIPPED = Path(gates.__file__).with_name("thresholds.toml")


def generator(**changes: float) -> dict[str, Any]:
    """The figures of an idle generator, except for the changes."""
    idle: dict[str, Any] = {"cpu_percent": 10.0, "cpu_percent_worst": 20.0}
    lags = {"p50": 0.5, "p99": 2.0, "max": 9.0, "worst_p99": 5.0}
    return idle | {key: value for key, value in changes.items() if key in idle} | {"lag_ms": lags | {
        key: value for key, value in changes.items() if key in lags
    }}  # fmt: skip


def summary(**changes: Any) -> dict[str, Any]:
    """A run without faults, except for the changes."""
    good = {
        "aborted": "",
        "users": 10,
        "rooms": 1,
        "acknowledged": 5,
        "counts": {"deliveries": 45},
        "faults": dict.fromkeys(KINDS, 0),
        "errors": [],
        "exceptions": [],
        "certain": [figures.ACKNOWLEDGED, figures.JOIN],
        "offered": {"messages": 100, "achieved": 99},
        "generator": generator(),
        "figures": {figures.ACKNOWLEDGED: {"count": 100, "p50": 5.0, "p95": 9.0, "p99": 10.0, "max": 12.0}},
    }
    changed: dict[str, Any] = good | changes
    return changed | {"counts": {"logs read": 1} | changed["counts"]}


def missed(found: list[gates.Gate]) -> list[str]:
    return [gate.asked for gate in found if not gate.held]


def test_a_good_run_misses_nothing() -> None:
    assert missed(gates.correctness(summary())) == []


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"aborted": "only 3 of 10 users"}, "the run came to its end"),
        ({"acknowledged": 0}, "messages acknowledged"),
        ({"counts": {}}, "messages delivered to others"),
        ({"counts": {"deliveries": 45, "logs read": 0}}, "logs read at the end"),
        ({"faults": dict.fromkeys(KINDS, 0) | {"lost": 1}}, "lost: none"),
        ({"faults": dict.fromkeys(KINDS, 0) | {"out of order": 1}}, "out of order: none"),
        ({"errors": [{"figure": "join", "what": "refused", "times": 1}]}, "failures: none"),
        ({"exceptions": [{"what": "KeyError: 'seq'", "times": 1}]}, "exceptions: none"),
    ],
)
def test_one_thing_wrong_misses_its_gate(changes: dict[str, Any], gate: str) -> None:
    assert missed(gates.correctness(summary(**changes))) == [gate]


def test_users_alone_in_their_rooms_need_no_delivery() -> None:
    assert missed(gates.correctness(summary(users=3, rooms=3, counts={}))) == []


def test_latency_gates_compare_each_part() -> None:
    limits = {figures.ACKNOWLEDGED: {"p50": 5, "p99": 9.5}}
    found = gates.latency(summary(), limits)
    assert [(gate.held, gate.found) for gate in found] == [(True, "5 ms"), (False, "10 ms")]


@pytest.mark.parametrize(("figure", "held"), [(figures.JOIN, False), (figures.RESYNCHRONISED, True)])
def test_figure_without_samples_misses_its_gate(figure: str, held: bool) -> None:
    (gate,) = gates.latency(summary(), {figure: {"p50": 1000}})
    assert (gate.held, gate.found) == (held, "no sample")


@pytest.mark.parametrize(("shape", "missing"), [("steps", 0), ("smoke", 0), ("soak", 0), ("storm", 2), ("deploy", 2)])
@pytest.mark.parametrize("name", ["lan", "internet"])
def test_returns_are_required_of_storm_shapes_only(name: str, shape: str, missing: int) -> None:
    """Without a storm no user has to return: the documented commands have none."""
    good = {"count": 9, "p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0}
    usual = dict.fromkeys((figures.HANDSHAKE, figures.JOIN, figures.ACKNOWLEDGED, figures.DELIVERED), good)
    run = summary(figures=usual, certain=sorted(shapes.of(settings(shape=shape)).certain))
    assert len(missed(gates.latency(run, gates.limits(SHIPPED, name)))) == missing


def test_failures_may_be_allowed_and_losses_may_not() -> None:
    limits: gates.Limits = {"run": {"errors": 0.02}}
    error = {"figure": "join", "what": "refused", "times": 2}
    assert missed(gates.of(summary(errors=[error]), limits)) == []
    assert missed(gates.of(summary(errors=[error | {"times": 3}]), limits)) == ["failures: at most 2.00%"]
    lost = dict.fromkeys(KINDS, 0) | {"lost": 1}
    assert missed(gates.of(summary(faults=lost), limits)) == ["lost: none"]


def test_lost_connections_can_be_limited() -> None:
    limits: gates.Limits = {"run": {"connections_lost": 3}}
    held = [missed(gates.of(summary(counts={"deliveries": 1, "connections lost": lost}), limits)) == [] for lost in (3, 4)]
    assert held == [True, False]


@pytest.mark.parametrize(
    ("run", "held"),
    [({"achieved": 0.98}, True), ({"achieved": 0.995}, True), ({"gaps": 2}, True), ({"gaps": 1}, False)],
)
def test_server_must_accept_and_push_due_messages(run: dict[str, float], held: bool) -> None:
    busy = summary(counts={"deliveries": 45, "gaps": 2})
    (gate,) = gates.latency(busy, {"run": run})
    assert gate.held is held
    assert missed(gates.correctness(busy)) == []


@pytest.mark.parametrize(
    ("due", "achieved", "held"), [(1000, 950, True), (1000, 949, False), (3, 2, True), (3, 1, False), (0, 0, True)]
)
def test_unacknowledged_due_messages_are_reported_as_a_queue(due: int, achieved: int, held: bool) -> None:
    run = summary(offered={"messages": due, "achieved": achieved})
    (gate,) = gates.latency(run, {"run": {"achieved": 0.95}})
    assert (gate.held, gate.found) == (held, f"{achieved} of {due}")


LATENCIES: gates.Limits = {figures.ACKNOWLEDGED: {"p50": 5.0}}


@pytest.mark.parametrize("limits", [{}, {"run": {"errors": 0.0}}, LATENCIES])
@pytest.mark.parametrize(
    ("busy", "expected"),
    [
        ({"cpu_percent": 90.0}, "90 % of its core (limit 85 %)"),
        ({"cpu_percent_worst": 99.0}, "99 % of its core in its worst 5 s (limit 95 %)"),
        ({"p99": 60.0}, "60 ms late at p99 (limit 50 ms)"),
        ({"worst_p99": 1900.0}, "1900 ms late at p99 in its worst 5 s (limit 250 ms)"),
    ],
)
def test_every_run_has_the_limits_of_the_generator(limits: gates.Limits, busy: dict[str, float], expected: str) -> None:
    assert expected in gates.starved(summary(generator=generator(**busy)), limits)
    assert gates.starved(summary(), limits) == ""


def test_set_may_change_the_limits_of_the_generator() -> None:
    busy = summary(generator=generator(cpu_percent=90.0, cpu_percent_worst=97.0, worst_p99=400.0))
    assert "worst" in gates.starved(busy, {"run": {"generator_cpu": 95}})
    assert "400 ms" in gates.starved(busy, {"run": {"generator_cpu": 98}}), "the worst stretch has the same limit as the run"
    assert gates.starved(busy, {"run": {"generator_cpu": 98, "generator_lag_worst": 500}}) == ""
    assert gates.generator_limits(LATENCIES) == LIMITS


@pytest.mark.parametrize("missing", [[], ["latency"], ["correctness"]])
def test_starved_run_fails_for_losses_only(missing: list[str]) -> None:
    """A starved generator's latencies are no reason to fail; its lost messages are."""
    slow, wrong = gates.Gate("slow", "", "latency" not in missing), gates.Gate("wrong", "", "correctness" not in missing)
    found: dict[str, Any] = {}
    gates.judge(found, [wrong, slow], "starved", [slow])
    assert found["verdict"] == ("failed" if "correctness" in missing else "invalid")
    assert not found["passed"]


@pytest.mark.parametrize("name", ["lan", "internet", "ci", "ci-smoke", "ci-storm", "capacity"])
def test_shipped_sets_are_valid(name: str) -> None:
    assert gates.limits(SHIPPED, name)


# The slower of two runs of tests/stack/test_load.py, as (p50, p95, p99), on two shared cores.
USUAL = {
    "ci": {figures.ACKNOWLEDGED: (9, 57, 160), figures.DELIVERED: (9, 51, 160), figures.RESYNCHRONISED: (24, 360, 380)},
    "ci-smoke": {figures.ACKNOWLEDGED: (12, 37, 70), figures.DELIVERED: (12, 37, 70), figures.RESYNCHRONISED: (31, 78, 160)},
    "ci-storm": {figures.ACKNOWLEDGED: (10, 1000, 1500), figures.DELIVERED: (10, 980, 1500),
                 figures.RESYNCHRONISED: (1100, 1500, 1600)},
}  # fmt: skip


def ci_run(name: str, *, times: float = 1, later: float = 0, gaps: int = 0, achieved: float = 1) -> dict[str, Any]:
    """Such a run, so many times slower and with so many milliseconds more everywhere."""
    shown = {
        figure: {"count": 1000, "max": 20_000.0}
        | {part: value * times + later for part, value in zip(("p50", "p95", "p99"), values, strict=True)}
        for figure, values in USUAL[name].items()
    }
    return summary(
        figures=shown, counts={"deliveries": 9000, "gaps": gaps}, offered={"messages": 1000, "achieved": 1000 * achieved}
    )


@pytest.mark.parametrize("name", USUAL)
def test_three_times_slower_machine_stays_within_ci_limits(name: str) -> None:
    limits = gates.limits(SHIPPED, name)
    assert missed(gates.of(ci_run(name, times=3), limits)) == []
    assert missed(gates.of(ci_run(name, times=5, achieved=0.96), limits)) == []


@pytest.mark.parametrize("name", ["ci", "ci-smoke"])
@pytest.mark.parametrize(
    ("how", "what"),
    [
        ({"later": 500}, figures.DELIVERED),  # polls once a second
        ({"later": 500}, figures.ACKNOWLEDGED),
        ({"later": 1000}, figures.RESYNCHRONISED),  # waits for a timeout
        ({"gaps": 5000}, "gaps"),  # pushes next to nothing
        ({"achieved": 0.8}, "messages acknowledged before the end"),  # a growing queue
    ],
)
def test_slow_product_misses_the_limits_of_ci(name: str, how: dict[str, float], what: str) -> None:
    found = missed(gates.of(ci_run(name, **how), gates.limits(SHIPPED, name)))  # type: ignore[arg-type]
    assert any(asked.startswith(what) for asked in found), found


def test_serial_reconnects_miss_the_limits_of_ci() -> None:
    found = missed(gates.of(ci_run("ci-storm", times=8), gates.limits(SHIPPED, "ci-storm")))
    assert f"{figures.RESYNCHRONISED}: p50 at most 6000 ms" in found


def test_empty_name_selects_no_limits() -> None:
    assert gates.limits(Path("/nowhere"), "") == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[other]", "there is: other"),
        ('[mine]\n"send → nobody" = { p50 = 1 }', "is no figure"),
        ("[mine]\nhandshake = { p5 = 1 }", "p5: use p50"),
        ('[mine]\nhandshake = { p50 = "fast" }', "p50: use p50"),
        ("[mine.run]\nlost = 5", "lost: use errors"),
        ("[mine", "cannot be read"),
    ],
)
def test_wrong_thresholds_are_refused(text: str, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "thresholds.toml"
    file.write_text(text)
    with pytest.raises(BadOption, match=expected):
        gates.limits(file, "mine")
