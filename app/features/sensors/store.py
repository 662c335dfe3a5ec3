"""Batches of readings into the database: one statement on Postgres for any number.

Synchronous, in a database thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from core.errors import TooMany
from core.words import words as _
from features.sensors.models import Sensor

STEPS = (60, 3_600)

# The same reading again is stored once, so that buckets count it once. In the order of the keys: processes never wait for
# each other in a circle.
POSTGRES = """
    WITH new AS (
        INSERT INTO sensors_reading (sensor_id, at, value)
        SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::float8[]) AS one (sensor_id, at, value) ORDER BY 1, 2
        ON CONFLICT DO NOTHING RETURNING sensor_id, at, value
    ), bucket AS (
        INSERT INTO sensors_bucket AS b (sensor_id, step, at, count, total, low, high)
        SELECT sensor_id, step, at / (step * 1000) * (step * 1000) AS begin, count(*), sum(value), min(value), max(value)
        FROM new CROSS JOIN (VALUES (60), (3600)) AS steps (step) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (sensor_id, step, at) DO UPDATE SET count = b.count + excluded.count, total = b.total + excluded.total,
            low = least(b.low, excluded.low), high = greatest(b.high, excluded.high)
    )
    UPDATE sensors_sensor AS s SET last_at = latest.at, last_value = latest.value
    FROM (SELECT DISTINCT ON (sensor_id) sensor_id, at, value FROM new ORDER BY sensor_id, at DESC) AS latest
    WHERE s.id = latest.sensor_id AND s.last_at < latest.at
    RETURNING s.id, s.last_at, s.last_value
"""
SQLITE = """
    INSERT INTO sensors_reading (sensor_id, at, value)
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(%s) WHERE true
    ON CONFLICT DO NOTHING RETURNING sensor_id, at, value
"""
SQLITE_BUCKET = """
    INSERT INTO sensors_bucket (sensor_id, step, at, count, total, low, high) VALUES (%s, %s, %s, 1, %s, %s, %s)
    ON CONFLICT (sensor_id, step, at) DO UPDATE SET count = count + 1, total = total + excluded.total,
        low = min(low, excluded.low), high = max(high, excluded.high)
"""
SQLITE_LATEST = """
    UPDATE sensors_sensor SET last_at = latest.at, last_value = latest.value
    FROM (SELECT value ->> 0 AS sensor, value ->> 1 AS at, value ->> 2 AS value FROM json_each(%s)) AS latest
    WHERE id = latest.sensor AND last_at < latest.at
    RETURNING id, last_at, last_value
"""


class Row(NamedTuple):
    # Sensor.id
    sensor: int
    # Milliseconds since 1970.
    at: int
    value: float


def sensors_of(pairs: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int | TooMany]:
    """Return the ids of sensors by (room, sensor_id), and make the missing ones.

    A new sensor of a full room gets TooMany instead of an id.
    """
    wanted = set(pairs)
    found: dict[tuple[int, str], int | TooMany] = {}
    for room in sorted({pair[0] for pair in wanted}):
        names = sorted(name for one, name in wanted if one == room)
        known = dict(Sensor.objects.filter(room_id=room, sensor_id__in=names).values_list("sensor_id", "id"))
        new = [name for name in names if name not in known]
        if new:
            free = max(0, settings.LIMIT_SENSORS_PER_ROOM - Sensor.objects.filter(room_id=room).count())
            made = [Sensor(room_id=room, sensor_id=name) for name in new[:free]]
            Sensor.objects.bulk_create(made, ignore_conflicts=True)
            known = dict(Sensor.objects.filter(room_id=room, sensor_id__in=names).values_list("sensor_id", "id"))
        full = TooMany(_("a room has at most {most} sensors", most=settings.LIMIT_SENSORS_PER_ROOM))
        found |= {(room, name): known.get(name, full) for name in names}
    return found


class SensorRemoved(DatabaseError):
    """A reading's sensor was removed: its name belongs to no sensor now."""


def store(rows: list[Row]) -> list[Row]:
    """Store readings, their buckets and each sensor's latest, in one transaction.

    Return the readings that are their sensors' newest now. A late or doubled one is not among them. Raises SensorRemoved.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if Sensor.objects.filter(id__in={one.sensor for one in rows}, room=None).exists():
            raise SensorRemoved
        if connection.vendor == "postgresql":
            cursor.execute(POSTGRES, [list(column) for column in zip(*rows, strict=True)])
            return [Row(*one) for one in cursor.fetchall()]
        cursor.execute(SQLITE, [json.dumps(rows)])
        new = sorted(Row(*one) for one in cursor.fetchall())
        cursor.executemany(
            SQLITE_BUCKET,
            [(one.sensor, step, _begin(one.at, step), one.value, one.value, one.value) for one in new for step in STEPS],
        )
        latest = {one.sensor: one for one in new}
        cursor.execute(SQLITE_LATEST, [json.dumps(list(latest.values()))])
        return [Row(*one) for one in cursor.fetchall()]


def _begin(at: int, step: int) -> int:
    return at // (step * 1_000) * (step * 1_000)
