"""Who is typing: a live value that is not stored."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from core.features import Feature, FrameHandler, LiveTopic
from realtime import live, server_frames
from realtime.publish import FrameId, Slug, StoredSlug
from realtime.socket import Socket
from rooms import access

TYPING_EVERY_S = 1.0


class Typing(msgspec.Struct, tag="typing"):
    room: Slug
    id: FrameId = None


class TypingNow(msgspec.Struct, tag="typing"):
    """What the others are sent."""

    room: StoredSlug
    user: server_frames.Person


async def typing(socket: Socket, frame: Typing) -> None:
    """Tell the others in the room that the person is typing.

    It does so at most once in TYPING_EVERY_S for each room and socket.
    """
    room = socket.joined(frame.room).ref
    sent_at: dict[int, float] = socket.state.setdefault("typing", {})
    now = time.monotonic()
    if now - sent_at.get(room.id, 0.0) < TYPING_EVERY_S:
        return
    sent_at[room.id] = now
    # Blocks concern direct rooms only.
    if not room.direct or await access.may_write(room.id, socket.user.id):
        live.publish(room, "typing", str(socket.user.id), True, sender=socket.user)


def _frame(room: str, key: str, sender: dict[str, Any], value: Any) -> dict[str, Any]:
    return {"type": "typing", "room": room, "user": sender}


FEATURE = Feature(
    name="typing",
    frames=(FrameHandler(Typing, typing, paced=False, reply="none"),),
    sends=(TypingNow,),
    # Each socket is held to its pace above; a delayed value would show a person typing after their message.
    live=(LiveTopic("typing", per_s=1_000, to_sender=False, frame=_frame),),
)
