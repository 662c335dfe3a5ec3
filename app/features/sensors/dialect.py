"""The dialect of /ws/sensor_data/: `{"sensor_id": "t1", "sensor_value": 21.5}` in and out. In the lobby."""

from __future__ import annotations

from typing import Any

from core.errors import BadFrame, FrameRefused
from realtime.dialects.base import Dialect, decode_object
from realtime.publish import LogEvent, Person, RoomRef, encode
from rooms.join_flow import enter_first_use

LOBBY = "lobby"


class SensorDialect(Dialect):
    name = "sensor_data"
    topic = "sensor"

    async def open(self) -> None:
        lobby = await enter_first_use(self.socket.user, LOBBY)
        await self.socket.attach([lobby])
        room = self.socket.rooms.get(lobby.slug)
        if room is not None:
            self.socket.hub.live.joined(self.socket, room)

    async def text(self, text: str) -> None:
        try:
            value = decode_object(text)
            if not {"sensor_id", "sensor_value"} <= value.keys():
                raise BadFrame('send {"sensor_id": "t1", "sensor_value": 21.5}')
            reading = {"sensor_id": value["sensor_id"], "value": value["sensor_value"]}
            await self.socket.perform("sensor.push", {"room": LOBBY, "readings": [reading]})
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
