from __future__ import annotations

from chat import api, due, frames, kinds
from core.features import Feature, FrameHandler, Periodic

FEATURE = Feature(
    name="chat",
    events=(kinds.MESSAGE, kinds.EDITED, kinds.DELETED, kinds.REACTION),
    frames=(
        FrameHandler(frames.RoomJoin, frames.room_join),
        FrameHandler(frames.RoomLeave, frames.room_leave, paced=False),
        FrameHandler(frames.MessageSend, frames.message_send, at_once=frames.message_send_at_once, paced=False),
        FrameHandler(frames.MessageEdit, frames.message_edit, paced=False),
        FrameHandler(frames.MessageDelete, frames.message_delete, paced=False),
        FrameHandler(frames.MessageReact, frames.message_react, paced=False),
        FrameHandler(frames.History, frames.history_page),
        FrameHandler(frames.Read, frames.read),
    ),
    routers=(("/rooms", api.router),),
    periodic=(Periodic(due.act, every_s=due.EVERY_S),),
    services=(due.Timers,),
    tasks=("chat.tasks.closed_rooms_delete",),
)
