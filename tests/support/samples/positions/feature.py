"""Positions: live values that are kept, ten of a room, five a second of each."""

from typing import Any

import msgspec

from core.features import Feature, FrameHandler, LiveTopic
from realtime import live
from realtime.publish import FrameId, Slug
from realtime.socket import Socket

KEYS = 10
PER_S = 5.0


class Put(msgspec.Struct, tag="position.put"):
    room: Slug
    key: str
    value: Any
    keep_s: float | None = None
    id: FrameId = None


class End(msgspec.Struct, tag="position.end"):
    room: Slug
    key: str
    id: FrameId = None


async def put(socket: Socket, frame: Put) -> dict[str, Any]:
    room = socket.joined(frame.room).ref
    live.publish(room, "position", frame.key, frame.value, sender=socket.user, keep_s=frame.keep_s)
    return {"type": "ok"}


async def end(socket: Socket, frame: End) -> dict[str, Any]:
    live.end(socket.joined(frame.room).ref, "position", frame.key, sender=socket.user)
    return {"type": "ok"}


FEATURE = Feature(
    name="positions",
    frames=(FrameHandler(Put, put, paced=False), FrameHandler(End, end, paced=False)),
    live=(LiveTopic("position", per_s=PER_S, keep_s=600.0, keys=KEYS),),
)
