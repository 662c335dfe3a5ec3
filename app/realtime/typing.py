"""Typing signals for the joined sockets: never stored, at most one per TYPING_EVERY_S, room and socket."""

from __future__ import annotations

import time

import msgspec

from realtime.ports import domains
from realtime.publish import FrameId, Slug, room_signal
from realtime.socket import Socket

TYPING_EVERY_S = 1.0


class Typing(msgspec.Struct, tag="typing"):
    room: Slug
    id: FrameId = None


async def typing(socket: Socket, frame: Typing) -> None:
    room = socket.joined(frame.room)
    now = time.monotonic()
    if now - socket.typing_at.get(room.ref.id, 0.0) >= TYPING_EVERY_S:
        socket.typing_at[room.ref.id] = now
        # Blocks concern direct rooms only.
        if room.ref.direct and not await domains().may_write(room.ref.id, socket.user.id):
            return
        signal = {"type": "typing", "room": room.ref.slug, "user": socket.user.wire()}
        room_signal(room.ref, signal, sender=socket.user.id)
