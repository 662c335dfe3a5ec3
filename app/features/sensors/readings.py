"""What is accepted of a push, apart from the database."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

import msgspec

from core.errors import BadFrame
from core.words import words as _

# Readings in one push.
MANY = 1_000
# How far a device's clock may be ahead.
AHEAD_MS = 60_000
DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# The database adds up the values of an hour: their sum must stay a number.
GREATEST = 1e300

SensorId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Value = Annotated[float, msgspec.Meta(ge=-GREATEST, le=GREATEST)]


class ReadingIn(msgspec.Struct):
    sensor_id: SensorId
    value: Value
    # With its zone; left out: when the server gets it.
    at: datetime | None = None


Readings = Annotated[list[ReadingIn], msgspec.Meta(min_length=1, max_length=MANY)]


class Reading(NamedTuple):
    sensor_id: str
    # Milliseconds since 1970.
    at: int
    value: float


def milliseconds(at: datetime) -> int:
    """Return whole milliseconds since 1970.

    Rounding to the even one would make one time of two that are a millisecond apart.
    """
    return (at - _EPOCH) // _MILLISECOND


def accepted(readings: list[ReadingIn], keep_days: int, now: float | None = None) -> list[Reading]:
    """Return the readings to store: none from the future, none older than `keep_days`.

    Readings without a time that come together are a millisecond apart, so that no reading of a sensor is lost. Raises
    BadFrame.
    """
    now_ms = round((time.time() if now is None else now) * 1_000)
    found: list[Reading] = []
    untimed: dict[str, int] = {}
    for one in readings:
        if not one.sensor_id.isprintable() or not one.sensor_id.strip():
            raise BadFrame(_("sensor_id: 1 to 64 characters that can be seen"))
        if not {".", ".."}.isdisjoint(one.sensor_id.split("/")):
            raise BadFrame(_("sensor_id: no . or .. between slashes, which addresses cannot hold"))
        if one.at is None:
            untimed[one.sensor_id] = untimed.get(one.sensor_id, -1) + 1
            at = now_ms + untimed[one.sensor_id]
        elif one.at.tzinfo is None:
            raise BadFrame(_("at of {sensor} needs a zone, such as 2030-01-01T12:00:00Z", sensor=repr(one.sensor_id)))
        else:
            at = milliseconds(one.at)
        if now_ms - keep_days * DAY_MS <= at <= now_ms + AHEAD_MS:
            found.append(Reading(one.sensor_id, at, one.value))
    return found
