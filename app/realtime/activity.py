"""Whether a person is at a device: said by the client when it changes, never for each key stroke."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from realtime.events import FrameId
from realtime.socket import Socket


class Activity(msgspec.Struct, tag="activity"):
    state: Literal["active", "away"]
    id: FrameId = None


async def activity(socket: Socket, frame: Activity) -> dict[str, Any]:
    """A person is away when all their sockets are; others hear of it by `presence`, at most once a second and room."""
    socket.away = frame.state == "away"
    if socket.local is not None:
        socket.hub.presence.activity(socket.local)
    return {"type": "ok"}
