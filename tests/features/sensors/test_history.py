"""Retention of readings, minutes and hours, and the histories made of them."""

import time
from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from features.sensors.models import Bucket, Reading, Sensor
from features.sensors.series import HOUR_S, MINUTE_S, series
from features.sensors.store import Row, store
from features.sensors.tasks import readings_prune
from rooms.models import Room

pytestmark = pytest.mark.django_db(transaction=True)

HOUR_MS = HOUR_S * 1_000
# Older than readings, than minutes, and than hours.
AGES_DAYS = (1, 10, 100, 800)


@pytest.fixture
def sensor(settings: Settings) -> Sensor:
    """A sensor with three readings at each age, after the worker deleted old ones."""
    settings.SENSOR_DAYS, settings.SENSOR_MINUTE_DAYS, settings.SENSOR_HOUR_DAYS = 7, 90, 730
    made = Sensor.objects.create(room=Room.objects.create(slug="greenhouse"), sensor_id="t1")
    rows = [Row(made.id, hour(age) + minute * 60_000, age + minute) for age in AGES_DAYS for minute in (0, 1, 2)]
    store(rows)
    readings_prune.func()
    return made


def hour(age_days: int) -> int:
    """Return the begin of the hour so many days ago, in ms."""
    now = round(time.time() * 1_000)
    return (now - round(timedelta(days=age_days).total_seconds() * 1_000)) // HOUR_MS * HOUR_MS


def kept(found: list[int]) -> set[int]:
    return {age for age in AGES_DAYS if any(hour(age) <= at < hour(age) + HOUR_MS for at in found)}


def test_readings_minutes_and_hours_are_kept_for_their_days(sensor: Sensor) -> None:
    assert kept(list(Reading.objects.values_list("at", flat=True))) == {1}
    for step, ages in ((MINUTE_S, {1, 10}), (HOUR_S, {1, 10, 100})):
        assert kept(list(Bucket.objects.filter(step=step).values_list("at", flat=True))) == ages


@pytest.mark.parametrize(
    ("age", "step", "values"),
    [(1, 0, [1, 2, 3]), (10, MINUTE_S, [10, 11, 12]), (100, HOUR_S, [101]), (800, HOUR_S, [])],
)
def test_history_of_an_hour_is_as_fine_as_what_is_kept(sensor: Sensor, age: int, step: int, values: list[float]) -> None:
    found = series(sensor, hour(age), hour(age) + HOUR_MS - 1, 500)
    assert (found["step"], [point["value"] for point in found["points"]]) == (step, values)
    if values:
        assert (found["points"][0]["min"], found["points"][-1]["max"]) == (age, age + 2)
