"""Rules of pushes, histories and alarms, without sockets or a database.

They say which pushes are accepted, how coarse a history is, and what an alarm does.
"""

from datetime import UTC, datetime, timedelta

import pytest

from core.errors import BadFrame
from features.sensors.alarms import Rule, sentence, state_after
from features.sensors.readings import Reading, ReadingIn, accepted
from features.sensors.series import step_for

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1_000)


def test_readings_of_the_future_and_of_long_ago_are_not_accepted() -> None:
    ages = (timedelta(seconds=-61), timedelta(seconds=-59), timedelta(days=7), timedelta(days=7, seconds=1))
    found = accepted([ReadingIn("t1", number, NOW - age) for number, age in enumerate(ages)], 7, NOW.timestamp())
    assert [one.value for one in found] == [1, 2]


def test_readings_without_a_time_are_a_millisecond_apart() -> None:
    found = accepted([ReadingIn("t1", 1), ReadingIn("t2", 2), ReadingIn("t1", 3)], 7, NOW.timestamp())
    assert found == [Reading("t1", NOW_MS, 1), Reading("t2", NOW_MS, 2), Reading("t1", NOW_MS + 1, 3)]


def test_readings_a_millisecond_apart_keep_apart_times() -> None:
    """Half milliseconds, too: a push of them lost readings once."""
    begun = NOW + timedelta(microseconds=500)
    found = accepted([ReadingIn("t1", step, begun + timedelta(milliseconds=step)) for step in range(5)], 7, NOW.timestamp())
    assert [one.at for one in found] == [NOW_MS + step for step in range(5)]


@pytest.mark.parametrize("reading", [ReadingIn(" ", 1), ReadingIn("a\nb", 1), ReadingIn("t1", 1, datetime(2030, 1, 1))])  # noqa: DTZ001
def test_reading_without_a_name_or_zone_is_refused(reading: ReadingIn) -> None:
    with pytest.raises(BadFrame):
        accepted([reading], 7, NOW.timestamp())


@pytest.mark.parametrize("reading", [ReadingIn(".", 1), ReadingIn("..", 1), ReadingIn("a/../b", 1)])
def test_name_that_an_address_cannot_hold_is_refused(reading: ReadingIn) -> None:
    with pytest.raises(BadFrame):
        accepted([reading], 7, NOW.timestamp())


@pytest.mark.parametrize(
    ("hours", "points", "step"), [(1, 61, 60), (1, 60, 120), (1, 1, 3_600), (24, 500, 180), (24 * 30, 500, 7_200), (0, 500, 60)]
)
def test_history_has_at_most_the_points_asked_for(hours: int, points: int, step: int) -> None:
    first, last = NOW_MS, NOW_MS + hours * 3_600_000
    assert step_for(first, last, points) == step
    assert last // (step * 1_000) - first // (step * 1_000) < max(2, points)


def test_alarm_ends_below_its_hysteresis_only() -> None:
    rule, state, states = Rule(above=30, below=10, hysteresis=2, silent_s=None), "", []
    for value in (29, 30, 30.1, 29, 28.1, 28, 10, 9, 11.9, 12, 31, 5):
        state = state_after(rule, state, value, 1)
        states.append(state)
    above, below = "above", "below"
    assert states == ["", "", above, above, above, "", "", below, below, "", above, below]


def test_alarm_tells_readings_and_limits_with_all_their_digits() -> None:
    rule = Rule(above=1_234_567.5, below=-0.1234567, hysteresis=0, silent_s=None)
    assert "1234568.25, above 1234567.5." in sentence(rule, "t1", "", "above", 1_234_568.25)
    assert "-0.1234568, below -0.1234567." in sentence(rule, "t1", "", "below", -0.1234568)
    assert "0.3:" in sentence(rule, "t1", "above", "", 0.1 + 0.2)


def test_silent_sensor_is_back_with_a_reading_of_now() -> None:
    rule = Rule(above=30, below=None, hysteresis=0, silent_s=60)
    assert [state_after(rule, "silent", value, 1) for value in (20, 31)] == ["", "above"]
    assert [state_after(rule, "silent", value, 61) for value in (20, 31)] == ["silent", "silent"], "of its time away"
    assert [state_after(rule, "above", 31, age) for age in (60, 61)] == ["above", "silent"]
    assert sentence(rule, "t1", "silent", "", 20) == "✅ t1 is back, at 20."
