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
# The same of sensors that were removed.
REMOVED_READINGS = """
    DELETE FROM sensors_reading WHERE (sensor_id, at) IN
        (SELECT sensor_id, at FROM sensors_reading WHERE sensor_id IN (SELECT id FROM sensors_sensor WHERE room_id IS NULL)
         LIMIT %s)
"""
REMOVED_BUCKETS = """
    DELETE FROM sensors_bucket WHERE (sensor_id, step, at) IN
        (SELECT sensor_id, step, at FROM sensors_bucket WHERE sensor_id IN (SELECT id FROM sensors_sensor WHERE room_id IS NULL)
         LIMIT %s)
"""
# A reading that was being stored while its sensor was removed keeps the row until the next time.
REMOVED_SENSORS = """
    DELETE FROM sensors_sensor WHERE id IN
        (SELECT id FROM sensors_sensor AS one WHERE room_id IS NULL
         AND NOT EXISTS (SELECT 1 FROM sensors_reading WHERE sensor_id = one.id)
         AND NOT EXISTS (SELECT 1 FROM sensors_bucket WHERE sensor_id = one.id) LIMIT %s)
"""
# `last_at` again, outside: a reading that is stored meanwhile keeps its sensor.
SENSORS = """
    DELETE FROM sensors_sensor WHERE last_at < %s AND id IN
        (SELECT id FROM sensors_sensor AS one WHERE last_at < %s
         AND NOT EXISTS (SELECT 1 FROM sensors_alarm WHERE sensor_id = one.id) AND room_id IS NOT NULL LIMIT %s)
"""


@task()
def readings_prune() -> None:
    """Delete old readings, removed sensors, and those of which nothing is kept.

    A sensor with an alarm stays: the alarm says that it is silent.
    """
    for statement in (REMOVED_READINGS, REMOVED_BUCKETS, REMOVED_SENSORS):
        _delete(statement)
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
