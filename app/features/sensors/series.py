"""A sensor's history.

Synchronous, in a database thread.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection

from features.sensors.models import Reading, Sensor
from features.sensors.readings import DAY_MS

HOUR_S = 3_600
MINUTE_S = 60

GROUPED = """
    SELECT at / %s * %s AS begin, sum(total) / sum(count), min(low), max(high) FROM sensors_bucket
    WHERE sensor_id = %s AND step = %s AND at >= %s AND at <= %s GROUP BY 1 ORDER BY 1
"""


def series(sensor: Sensor, first: int, last: int, points: int) -> dict[str, Any]:
    """Return a sensor's readings from `first` to `last` (ms).

    These are all readings if they fit into `points`, else means of minutes or hours. `step`: seconds of one point; 0: each
    reading.
    """
    now = time.time() * 1_000
    if first >= now - settings.SENSOR_DAYS * DAY_MS:
        raw = Reading.objects.filter(sensor_id=sensor.id, at__gte=first, at__lte=last).order_by("at")
        found = list(raw.values_list("at", "value")[: points + 1])
        if len(found) <= points:
            return _answer(sensor, 0, [(at, value, value, value) for at, value in found])
    minutes_are_kept = first >= now - settings.SENSOR_MINUTE_DAYS * DAY_MS
    step = step_for(first, last, points, MINUTE_S if minutes_are_kept else HOUR_S)
    with connection.cursor() as cursor:
        table = HOUR_S if step % HOUR_S == 0 else MINUTE_S
        cursor.execute(GROUPED, [step * 1_000, step * 1_000, sensor.id, table, first // (step * 1_000) * (step * 1_000), last])
        return _answer(sensor, step, cursor.fetchall())


def step_for(first: int, last: int, points: int, least: int = MINUTE_S) -> int:
    """Return the shortest step, in seconds, that gives at most `points` points.

    It is a number of whole minutes, or of whole hours, and at least `least`. Steps begin at whole multiples of themselves, so
    that a range may touch two of any length.
    """
    minutes = max(least // MINUTE_S, -(-(last - first) // (points * MINUTE_S * 1_000)))
    while True:
        step = minutes * MINUTE_S if minutes < 60 else HOUR_S * -(-minutes // 60)
        if last // (step * 1_000) - first // (step * 1_000) < max(2, points):
            return step
        minutes += 1


def _answer(sensor: Sensor, step: int, rows: list[tuple[int, float, float, float]]) -> dict[str, Any]:
    points = [{"at": time_of(at), "value": value, "min": low, "max": high} for at, value, low, high in rows]
    return {"sensor_id": sensor.sensor_id, "step": step, "points": points}


def time_of(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1_000, UTC)
