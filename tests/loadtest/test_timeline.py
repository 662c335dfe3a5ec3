"""The timeline keeps measurements by time and adds up those of several generators."""

import json

import pytest

from loadtest.timeline import Timeline, rounded


@pytest.mark.parametrize(
    ("exact", "kept"), [(0.4, 0), (12.6, 13), (99.4, 99), (123, 120), (987, 990), (1234, 1200), (65432, 65400)]
)
def test_latencies_are_rounded_like_locusts(exact: float, kept: int) -> None:
    assert rounded(exact) == kept


def test_slices_are_seconds_and_longer_in_long_runs() -> None:
    assert Timeline(15).width == Timeline(600).width == 1
    assert Timeline(8 * 3600).width == 48


def filled() -> Timeline:
    timeline = Timeline(10)
    for number in range(100):
        timeline.sample("join", 2.5, number + 1)
    timeline.sample("join", 7.1, 500)
    timeline.count("messages", 2.1)
    timeline.users(2.0, 30)
    return timeline


def test_a_row_has_users_counts_and_percentiles() -> None:
    early, late = filled().rows()
    assert (early["at"], early["users"], early["a_second"]) == (2, 30, {"messages": 1})
    assert early["figures"]["join"] == {"count": 100, "p50": 50, "p95": 95, "p99": 99, "max": 100}
    assert (late["at"], late["figures"]["join"]["p50"]) == (7, 500)


def test_values_outside_the_timed_run_are_dropped() -> None:
    timeline = Timeline(10)
    timeline.sample("join", -1, 5)
    timeline.count("messages", -1)
    timeline.users(-1, 5)
    assert timeline.rows() == []


def test_window_contains_its_slices_only() -> None:
    timeline = filled()
    window = timeline.window("join", 5, 10)
    assert window is not None
    assert window["count"] == 1
    assert timeline.window("join", 3, 7) is None
    assert timeline.counted("messages", 0, 3) == 1


def test_users_of_a_window_follow_from_its_samples() -> None:
    timeline = Timeline(10)
    for at, number in ((1, 5), (2, 7), (3, 6), (4, 50)):
        timeline.users(at, number)
    assert timeline.users_between(1, 4) == (5, 7)
    assert timeline.users_between(5, 9) is None


def test_serialised_generators_add_up() -> None:
    total = Timeline(10)
    for _ in range(2):
        total.merge(json.loads(json.dumps(filled().dump())))
    early = total.rows()[0]
    assert (early["users"], early["a_second"]["messages"], early["figures"]["join"]["count"]) == (60, 2, 200)
    assert early["figures"]["join"]["p95"] == 95
