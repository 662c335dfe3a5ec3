from __future__ import annotations

from chat import api, due, frames, kinds
from core.features import Feature, FrameHandler, Periodic

FEATURE = Feature(
    name="chat",
    abilities=("replies", "mentions"),
    events=(kinds.MESSAGE, kinds.EDITED, kinds.DELETED, kinds.REACTION),
    frames=(
        FrameHandler(frames.RoomJoin, frames.room_join, reply="room.joined"),
        FrameHandler(frames.RoomLeave, frames.room_leave, paced=False),
        FrameHandler(
            frames.MessageSend,
            frames.message_send,
            paced=False,
            reply="message.sent",
            takes_parts=True,
        ),
        FrameHandler(frames.MessageEdit, frames.message_edit, paced=False, reply="message.sent"),
        FrameHandler(frames.MessageDelete, frames.message_delete, paced=False, reply="message.sent"),
        FrameHandler(frames.MessageReact, frames.message_react, paced=False, reply="message.sent"),
        FrameHandler(frames.History, frames.history_page, reply="history.page"),
        FrameHandler(frames.Read, frames.read),
    ),
    routers=(("/rooms", api.router),),
    periodic=(Periodic(due.act, every_s=due.EVERY_S),),
    services=(due.Timers,),
    tasks=("chat.tasks.closed_rooms_delete",),
)
