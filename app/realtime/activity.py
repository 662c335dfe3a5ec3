"""Presence at a device: the client reports each change, never each key stroke."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from realtime.events import FrameId
from realtime.socket import Socket


class Activity(msgspec.Struct, tag="activity"):
    state: Literal["active", "away"]
    id: FrameId = None


async def activity(socket: Socket, frame: Activity) -> dict[str, Any]:
    """Set a socket's away flag.

    A person is away when all their sockets are.

    Others learn it from `presence`, at most once a second per room.
    """
    socket.away = frame.state == "away"
    if socket.local is not None:
        socket.hub.presence.activity(socket.local)
    return {"type": "ok"}
