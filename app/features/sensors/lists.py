"""The sensors of a room, filtered as people type.

Synchronous, in a database thread.
"""

from __future__ import annotations

from typing import Any

from core.features import RoomList
from core.word_filter import holds, words_of
from features.sensors.models import Sensor
from features.sensors.series import time_of
from rooms import access


def listed(sensor: Sensor) -> dict[str, Any]:
    """Return a sensor with its latest reading and its alarm."""
    alarm = getattr(sensor, "alarm", None)
    fields = ("above", "below", "hysteresis", "silent_s", "state")
    return {
        "sensor_id": sensor.sensor_id,
        "value": sensor.last_value,
        "at": time_of(sensor.last_at),
        "alarm": {name: getattr(alarm, name) for name in fields} if alarm else None,
    }


def _find(user: int, slug: str, query: str, after: str | None, limit: int) -> tuple[list[dict[str, Any]], bool]:
    room, words = access.membership_in(user, slug).room, words_of(query)
    # A room has at most LIMIT_SENSORS_PER_ROOM.
    names = Sensor.objects.filter(room=room, sensor_id__gt=after or "").order_by("sensor_id").values_list("id", "sensor_id")
    found = [number for number, name in names if holds(words, name)]
    shown = Sensor.objects.filter(id__in=found[:limit]).select_related("alarm").order_by("sensor_id")
    return [listed(sensor) for sensor in shown], len(found) > limit


SENSORS = RoomList("sensors", find=_find, place=lambda sensor: str(sensor["sensor_id"]))
