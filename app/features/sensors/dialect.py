"""The dialect of /ws/sensor_data/, for sensors of the lobby.

Frames in both directions are `{"sensor_id": "t1", "sensor_value": 21.5}`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import msgspec

from core.errors import BadFrame, FrameRefused
from core.words import words as _
from features.sensors.device_sockets import opened
from features.sensors.frames import SensorPush
from features.sensors.readings import SensorId, Value
from realtime.dialects.base import Dialect, DialectSocket, decode_object
from realtime.publish import LogEvent, Person, RoomRef, encode
from rooms.join_flow import enter_first_use

LOBBY = "lobby"


class ReadingLine(msgspec.Struct):
    sensor_id: SensorId
    sensor_value: Value


class SensorDialect(Dialect):
    """Readings of the lobby's sensors.

    A new socket gets the latest of each.
    """

    name = "sensor_data"
    topic = "sensor"
    line_in = ReadingLine
    line_out = ReadingLine

    def __init__(self, socket: DialectSocket, room: str) -> None:
        super().__init__(socket, LOBBY)

    async def open(self) -> None:
        lobby = await enter_first_use(self.socket.user, LOBBY)
        await self.socket.attach([lobby])
        self.socket.send_live_values(lobby.slug)

    async def text(self, text: str) -> None:
        try:
            value = decode_object(text)
            if not {"sensor_id", "sensor_value"} <= value.keys():
                raise BadFrame(_("send {example}", example='{"sensor_id": "t1", "sensor_value": 21.5}'))
            reading = {"sensor_id": value["sensor_id"], "value": value["sensor_value"]}
            await self.socket.perform("sensor.push", {"room": self.room, "readings": [reading]})
        except FrameRefused as refusal:
            self.socket.count_refusal(refusal)
            self.socket.push(encode({"error": refusal.message, "code": refusal.code}))

    @staticmethod
    def encode_value(key: str, sender: Person, value: Any) -> str | None:
        return None if value is None else encode({"sensor_id": key, "sensor_value": value["value"]})

    @staticmethod
    def encode(room: RoomRef, event: LogEvent) -> str | None:
        return None

    encode_own = encode


class DeviceLines(SensorDialect):
    """The same with a device's token: readings of its room, inwards only."""

    name = "device_lines"
    topic = ""

    async def open(self) -> None:
        self.room = opened(self.socket).room.slug


class DeviceDialect(Dialect):
    """`/ws/` with a device's token: `sensor.push` into its room, and `ping`.

    The room's events are not for it.
    """

    name = "device"

    async def greeting(self) -> str:
        return await self.hello()

    async def open(self) -> None:
        opened(self.socket)

    def text(self, text: str) -> Awaitable[None] | None:
        if text != "ping":
            return self.socket.handle(text, SensorPush)
        self.socket.push("pong")
        return None
