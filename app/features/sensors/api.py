"""/api/rooms/<room>/sensors: push, list, history and alarms."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import get_language
from ninja import Query, Router, Schema
from pydantic import Field

from accounts.http_auth import authenticated, identity_of, or_by, person_of, user_id
from core.api_types import Body, Moment, answers
from core.errors import BadFrame, Forbidden, NoSuchTarget
from core.words import words as _
from db import database
from features.sensors import devices
from features.sensors.devices import KIND, device_of
from features.sensors.frames import push, push_of_device
from features.sensors.ingest import TOPIC
from features.sensors.lists import listed
from features.sensors.models import Alarm, Device, Sensor
from features.sensors.readings import GREATEST, MANY, ReadingIn, milliseconds
from features.sensors.series import series
from realtime import live
from realtime.publish import Revoked, RoomRef, folded, revoked
from rooms import access
from rooms.models import Role

router = Router(tags=["sensors"], auth=authenticated)
HOUR_MS = 3_600_000
DeviceId = Annotated[int, Field(ge=1, le=2**53)]
SensorId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]
Value = Annotated[float, Field(ge=-GREATEST, le=GREATEST)]


class ReadingSchema(Body):
    sensor_id: SensorId
    value: Value
    at: Moment | None = None


class PushIn(Body):
    readings: Annotated[list[ReadingSchema], Field(min_length=1, max_length=MANY)]


class AlarmIn(Body):
    above: Value | None = None
    below: Value | None = None
    hysteresis: Annotated[float, Field(ge=0, le=GREATEST)] = 0
    silent_s: Annotated[int, Field(ge=5, le=604_800)] | None = None


class SensorAlarm(msgspec.Struct):
    above: float | None
    below: float | None
    hysteresis: float
    silent_s: int | None
    state: Literal["", "above", "below", "silent"]


class SensorShown(msgspec.Struct):
    sensor_id: str
    value: float
    at: datetime
    alarm: SensorAlarm | None


class Sensors(msgspec.Struct):
    sensors: list[SensorShown]


class SensorPoint(msgspec.Struct):
    at: datetime
    value: float
    min: float
    max: float


class SensorSeries(msgspec.Struct):
    sensor_id: str
    # Seconds; 0: the points are readings.
    step: int
    points: list[SensorPoint]


class SensorDeviceIn(Body):
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]


class SensorDeviceOut(Schema):
    id: int
    name: str
    created_by: str
    created_at: datetime
    last_seen_at: datetime | None
    revocable: bool


class SensorDevices(Schema):
    devices: list[SensorDeviceOut]


class SensorDeviceMade(SensorDeviceOut):
    token: str


class Range(Schema):
    first: Moment | None = Field(None, alias="from")
    last: Moment | None = Field(None, alias="to")
    points: Annotated[int, Field(ge=1, le=2_000)] = 500


@router.post(
    "/{slug}/sensors/readings", response={202: dict[str, int]}, auth=or_by(KIND), summary="Push readings, as a person or a device"
)
async def readings(request: HttpRequest, slug: str, body: PushIn) -> tuple[int, dict[str, int]]:
    """Answered once they are stored.

    Those from the future, or older than readings are kept, are not accepted.
    """
    me, credential = identity_of(request)
    found = [ReadingIn(one.sensor_id, one.value, one.at) for one in body.readings]
    device = device_of(credential)
    if device is None:
        room = access.to_ref((await database.run_for(me.id, access.membership_in, me.id, slug)).room)
        return 202, {"accepted": await (await push(room, me, found))}
    if folded(slug) != device.room.slug:
        raise Forbidden(_("this device pushes into {room} only", room=device.room.slug))
    return 202, {"accepted": await (await push_of_device(device, me, found))}


@router.get("/{slug}/sensors", summary="Sensors of a room", openapi_extra=answers(Sensors))
async def sensors(request: HttpRequest, slug: str) -> dict[str, Any]:
    """All sensors by name, each with its latest reading and its alarm."""

    def read() -> dict[str, Any]:
        room = access.membership_in(user_id(request), slug).room
        found = Sensor.objects.filter(room=room).select_related("alarm").order_by("sensor_id")
        return {"sensors": [listed(sensor) for sensor in found]}

    return await database.run_for(user_id(request), read)


@router.get("/{slug}/sensors/{path:sensor_id}/series", summary="History of a sensor", openapi_extra=answers(SensorSeries))
async def history(request: HttpRequest, slug: str, sensor_id: SensorId, query: Query[Range]) -> dict[str, Any]:
    """Return a sensor's readings of a period, by default of the last hour.

    These are all readings if they fit into `points` (`step` is then 0), else means of whole minutes or hours.
    """
    last = milliseconds(query.last) if query.last else int(time.time() * 1_000)
    first = milliseconds(query.first) if query.first else last - HOUR_MS
    if first >= last:
        raise BadFrame(_("from must be before to"))

    def read() -> dict[str, Any]:
        return series(_sensor(user_id(request), slug, sensor_id), first, last, query.points)

    return await database.run_for(user_id(request), read)


@router.put("/{slug}/sensors/{path:sensor_id}/alarm", summary="Set a sensor's alarm", openapi_extra=answers(SensorShown))
async def alarm_put(request: HttpRequest, slug: str, sensor_id: SensorId, body: AlarmIn) -> dict[str, Any]:
    """Owners only.

    Its messages come in the owner's name and in the language of this call.
    """
    if body.above is None and body.below is None and body.silent_s is None:
        raise BadFrame(_("an alarm needs above, below or silent_s"))
    if body.above is not None and body.below is not None and body.below + body.hysteresis > body.above - body.hysteresis:
        raise BadFrame(_("below and above, with the hysteresis, must not overlap"))

    fields = {"by_id": user_id(request), "language": get_language() or "en", **body.dict()}

    def write() -> dict[str, Any]:
        sensor = _owned(user_id(request), slug, sensor_id, _("only an owner sets alarms"))
        Alarm.objects.update_or_create(sensor=sensor, defaults=fields)
        return listed(Sensor.objects.select_related("alarm").get(id=sensor.id))

    return await database.run_for(user_id(request), write)


@router.delete("/{slug}/sensors/{path:sensor_id}/alarm", response={204: None}, summary="Remove a sensor's alarm")
async def alarm_delete(request: HttpRequest, slug: str, sensor_id: SensorId) -> tuple[int, None]:
    if request.scope["raw_path"].lower().endswith(b"%2falarm"):  # type: ignore[attr-defined]  # a part of the name
        return await sensor_delete(request, slug, f"{sensor_id}/alarm")

    def write() -> None:
        Alarm.objects.filter(sensor=_owned(user_id(request), slug, sensor_id, _("only an owner sets alarms"))).delete()

    await database.run_for(user_id(request), write)
    return 204, None


# Sensors of these names, which the routes above would answer with 405.
@router.delete("/{slug}/sensors/readings", response={204: None}, include_in_schema=False)
async def sensor_delete_readings(request: HttpRequest, slug: str) -> tuple[int, None]:
    return await sensor_delete(request, slug, "readings")


@router.delete("/{slug}/sensors/{path:sensor_id}/series", response={204: None}, include_in_schema=False)
async def sensor_delete_series(request: HttpRequest, slug: str, sensor_id: SensorId) -> tuple[int, None]:
    return await sensor_delete(request, slug, f"{sensor_id}/series")


# Behind the routes that it matches, too.
@router.delete("/{slug}/sensors/{path:sensor_id}", response={204: None}, summary="Remove a sensor with its history and its alarm")
async def sensor_delete(request: HttpRequest, slug: str, sensor_id: SensorId) -> tuple[int, None]:
    """Owners only.

    Its live value ends, and with it its chart in open pages. A device that goes on pushing readings of the name makes a new
    sensor.
    """
    me = person_of(request)

    def write() -> RoomRef:
        sensor = _owned(me.id, slug, sensor_id, _("only an owner removes sensors"))
        room = access.membership_in(me.id, slug).room
        with transaction.atomic():
            Alarm.objects.filter(sensor=sensor).delete()
            Sensor.objects.filter(id=sensor.id).update(room=None)
        return access.to_ref(room)

    room = await database.run_for(me.id, write)
    live.end(room, TOPIC, sensor_id, sender=me)
    return 204, None


@router.get("/{slug}/devices", response=SensorDevices, summary="Devices of a room")
async def device_list(request: HttpRequest, slug: str) -> dict[str, Any]:
    """`revocable`: whether I may revoke it."""
    me = user_id(request)
    found, owner = await database.run_for(me, lambda: devices.device_list(user=me, slug=slug))
    return {"devices": [_device(one, revocable=owner or one.created_by_id == me) for one in found]}


@router.post("/{slug}/devices", response={201: SensorDeviceMade}, summary="Make a device")
async def device_create(request: HttpRequest, slug: str, body: SensorDeviceIn) -> tuple[int, dict[str, Any]]:
    """The token is shown this once.

    It pushes readings into this room, and nothing else.
    """
    me = user_id(request)
    device, token = await database.run_for(me, lambda: devices.device_create(user=me, slug=slug, name=body.name))
    return 201, {**_device(device, revocable=True), "token": token}


@router.delete("/{slug}/devices/{device}", response={204: None}, summary="Revoke a device")
async def device_delete(request: HttpRequest, slug: str, device: DeviceId) -> tuple[int, None]:
    """Its token is worth nothing from now on, and its sockets are closed."""
    me = user_id(request)
    bot = await database.run_for(me, lambda: devices.device_delete(user=me, slug=slug, device=device))
    revoked(Revoked(bot, f"{KIND}:{device}"))
    return 204, None


def _sensor(user: int, slug: str, sensor_id: str) -> Sensor:
    room = access.membership_in(user, slug).room
    found = Sensor.objects.filter(room=room, sensor_id=sensor_id).first()
    if found is None:
        raise NoSuchTarget(_("there is no sensor {sensor} in {room}", sensor=repr(sensor_id), room=room.slug))
    return found


def _owned(user: int, slug: str, sensor_id: str, refusal: str) -> Sensor:
    if access.membership_in(user, slug).role != Role.OWNER:
        raise Forbidden(refusal)
    return _sensor(user, slug, sensor_id)


def _device(device: Device, *, revocable: bool) -> dict[str, Any]:
    return {
        "id": device.id,
        "name": device.name,
        "created_by": device.created_by.username,
        "created_at": device.created_at,
        "last_seen_at": device.last_seen_at,
        "revocable": revocable,
    }
