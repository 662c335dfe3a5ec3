"""Background work of sensors."""

from __future__ import annotations

import time

from django.conf import settings
from django.db import connection
from django_tasks import task

from features.sensors.readings import DAY_MS

# Rows of one deletion: a commit of readings never waits long behind it.
MANY = 10_000
READINGS = """
    DELETE FROM sensors_reading WHERE (sensor_id, at) IN (SELECT sensor_id, at FROM sensors_reading WHERE at < %s LIMIT %s)
"""
BUCKETS = """
    DELETE FROM sensors_bucket WHERE (sensor_id, step, at) IN
        (SELECT sensor_id, step, at FROM sensors_bucket WHERE step = %s AND at < %s LIMIT %s)
"""
# `last_at` again, outside: a reading that is stored meanwhile keeps its sensor.
SENSORS = """
    DELETE FROM sensors_sensor WHERE last_at < %s AND id IN
        (SELECT id FROM sensors_sensor AS one WHERE last_at < %s
         AND NOT EXISTS (SELECT 1 FROM sensors_alarm WHERE sensor_id = one.id) LIMIT %s)
"""


@task()
def readings_prune() -> None:
    """Delete what is older than it is kept, and sensors of which nothing is kept.

    A sensor with an alarm stays: the alarm says that it is silent.
    """
    now = int(time.time() * 1_000)
    _delete(READINGS, now - settings.SENSOR_DAYS * DAY_MS)
    _delete(BUCKETS, 60, now - settings.SENSOR_MINUTE_DAYS * DAY_MS)
    _delete(BUCKETS, 3_600, now - settings.SENSOR_HOUR_DAYS * DAY_MS)
    empty = now - max(settings.SENSOR_DAYS, settings.SENSOR_MINUTE_DAYS, settings.SENSOR_HOUR_DAYS) * DAY_MS
    _delete(SENSORS, empty, empty)


def _delete(statement: str, *values: int) -> None:
    with connection.cursor() as cursor:
        while True:
            cursor.execute(statement, [*values, MANY])
            if cursor.rowcount < MANY:
                return
