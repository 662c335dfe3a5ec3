"""/api/rooms/<room>/sensors: push, list, history and alarms."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import AwareDatetime, Field

from accounts.http_auth import authenticated
from core.errors import BadFrame, Forbidden, NoSuchTarget
from db import database
from features.sensors.frames import push
from features.sensors.models import Alarm, Sensor
from features.sensors.readings import MANY, ReadingIn
from features.sensors.series import series, time_of
from realtime.publish import Person
from rooms import access
from rooms.models import Role

router = Router(tags=["sensors"], auth=authenticated)
HOUR_MS = 3_600_000
SensorId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]
Value = Annotated[float, Field(allow_inf_nan=False)]


class ReadingSchema(Schema):
    sensor_id: SensorId
    value: Value
    at: AwareDatetime | None = None


class PushIn(Schema):
    readings: Annotated[list[ReadingSchema], Field(min_length=1, max_length=MANY)]


class AlarmIn(Schema):
    above: Value | None = None
    below: Value | None = None
    hysteresis: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    silent_s: Annotated[int, Field(ge=5, le=604_800)] | None = None


class Range(Schema):
    first: AwareDatetime | None = Field(None, alias="from")
    last: AwareDatetime | None = Field(None, alias="to")
    points: Annotated[int, Field(ge=1, le=2_000)] = 500


def _me(request: HttpRequest) -> Person:
    person: Person = request.auth[0]  # type: ignore[attr-defined]
    return person


@router.post("/{slug}/sensors/readings", response={202: dict[str, int]}, summary="Push readings")
async def readings(request: HttpRequest, slug: str, body: PushIn) -> tuple[int, dict[str, int]]:
    """Answered once they are stored. Those from the future, or older than readings are kept, are not accepted."""
    me = _me(request)
    room = access.ref((await database.run_for(me.id, access.membership_in, me.id, slug)).room)
    found = [ReadingIn(one.sensor_id, one.value, one.at) for one in body.readings]
    return 202, {"accepted": await (await push(room, me, found))}


@router.get("/{slug}/sensors", summary="Sensors of a room")
async def sensors(request: HttpRequest, slug: str) -> dict[str, Any]:
    """All sensors by name, each with its latest reading and its alarm."""

    def read() -> dict[str, Any]:
        room = access.membership_in(_me(request).id, slug).room
        found = Sensor.objects.filter(room=room).select_related("alarm").order_by("sensor_id")
        return {"sensors": [_shown(sensor) for sensor in found]}

    return await database.run_for(_me(request).id, read)


@router.get("/{slug}/sensors/{sensor_id}/series", summary="History of a sensor")
async def history(request: HttpRequest, slug: str, sensor_id: SensorId, query: Query[Range]) -> dict[str, Any]:
    """Each reading while they fit into `points` (`step` 0), else means of whole minutes or hours. The last hour by default."""
    last = _ms(query.last) if query.last else int(time.time() * 1_000)
    first = _ms(query.first) if query.first else last - HOUR_MS
    if first >= last:
        raise BadFrame("from must be before to")

    def read() -> dict[str, Any]:
        return series(_sensor(_me(request).id, slug, sensor_id), first, last, query.points)

    return await database.run_for(_me(request).id, read)


@router.put("/{slug}/sensors/{sensor_id}/alarm", summary="Set a sensor's alarm")
async def alarm_put(request: HttpRequest, slug: str, sensor_id: SensorId, body: AlarmIn) -> dict[str, Any]:
    """Owners only. Its messages come in the owner's name."""
    if body.above is None and body.below is None and body.silent_s is None:
        raise BadFrame("an alarm needs above, below or silent_s")
    if body.above is not None and body.below is not None and body.below + body.hysteresis > body.above - body.hysteresis:
        raise BadFrame("below and above, with the hysteresis, must not overlap")

    def write() -> dict[str, Any]:
        sensor = _owned(_me(request).id, slug, sensor_id)
        Alarm.objects.update_or_create(sensor=sensor, defaults={"by_id": _me(request).id, **body.dict()})
        return _shown(Sensor.objects.select_related("alarm").get(id=sensor.id))

    return await database.run_for(_me(request).id, write)


@router.delete("/{slug}/sensors/{sensor_id}/alarm", response={204: None}, summary="Remove a sensor's alarm")
async def alarm_delete(request: HttpRequest, slug: str, sensor_id: SensorId) -> tuple[int, None]:
    def write() -> None:
        Alarm.objects.filter(sensor=_owned(_me(request).id, slug, sensor_id)).delete()

    await database.run_for(_me(request).id, write)
    return 204, None


def _sensor(user: int, slug: str, sensor_id: str) -> Sensor:
    room = access.membership_in(user, slug).room
    found = Sensor.objects.filter(room=room, sensor_id=sensor_id).first()
    if found is None:
        raise NoSuchTarget(f"there is no sensor {sensor_id!r} in {room.slug}")
    return found


def _owned(user: int, slug: str, sensor_id: str) -> Sensor:
    if access.membership_in(user, slug).role != Role.OWNER:
        raise Forbidden("only an owner sets alarms")
    return _sensor(user, slug, sensor_id)


def _shown(sensor: Sensor) -> dict[str, Any]:
    alarm = getattr(sensor, "alarm", None)
    fields = ("above", "below", "hysteresis", "silent_s", "state")
    return {
        "sensor_id": sensor.sensor_id,
        "value": sensor.last_value,
        "at": time_of(sensor.last_at),
        "alarm": {name: getattr(alarm, name) for name in fields} if alarm else None,
    }


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)
