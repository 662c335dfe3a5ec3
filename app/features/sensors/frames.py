"""The frame of sensors, and what HTTP and the simple dialect do likewise."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from django.conf import settings

from chat import publish
from core.errors import Forbidden, RateLimited
from core.limits import Buckets
from core.per_loop import PerLoop
from core.refusals import note_refusal
from core.words import words as _
from features.sensors.device_sockets import device_on, note_seen
from features.sensors.devices import DeviceRef
from features.sensors.ingest import ingest
from features.sensors.readings import ReadingIn, Readings, accepted
from realtime.publish import DeferredReply, FrameId, Person, RoomRef, Slug, folded
from rooms import access

if TYPE_CHECKING:
    from realtime.socket import Socket

# Seconds of the rate that may come at once: a device that was away.
BURST_S = 10

limits = PerLoop(lambda: Buckets(settings.LIMIT_READINGS_PER_S, BURST_S * settings.LIMIT_READINGS_PER_S))


class SensorPush(msgspec.Struct, tag="sensor.push"):
    room: Slug
    readings: Readings
    id: FrameId = None


async def sensor_push(socket: Socket, frame: SensorPush) -> DeferredReply:
    """Store readings; answered once they are committed."""
    device = device_on(socket)
    if device is None:
        done = await push(await publish.room_of(socket, frame.room), socket.user, frame.readings)
    elif folded(frame.room) == device.room.slug:
        done = await push_of_device(device, socket.user, frame.readings)
    else:
        raise Forbidden(_("this device pushes into {room} only", room=device.room.slug))
    return DeferredReply(done, lambda number: {"type": "ok", "accepted": number})


async def push(room: RoomRef, person: Person, readings: list[ReadingIn]) -> asyncio.Future[int]:
    """Queue the readings of a member.

    Raises RateLimited, Forbidden, BadFrame or Unavailable.
    """
    if room.direct and not await access.may_write(room.id, person.id):  # blocks concern direct rooms only
        raise Forbidden(_("this person does not take messages from you"))
    return _queue(room, person, readings)


async def push_of_device(device: DeviceRef, person: Person, readings: list[ReadingIn]) -> asyncio.Future[int]:
    """Queue the readings of a device, whose maker may write in its room."""
    note_seen(device)
    return _queue(device.room, person, readings)


def _queue(room: RoomRef, person: Person, readings: list[ReadingIn]) -> asyncio.Future[int]:
    if not limits().take(str(person.id), len(readings)):
        note_refusal("readings", f"user {person.id}", "LIMIT_READINGS_PER_S")
        raise RateLimited(_("too many readings a second; send these again later"))
    found = accepted(readings, settings.SENSOR_DAYS)
    if not found:
        nothing: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        nothing.set_result(0)
        return nothing
    return ingest().add(room, person, found)
