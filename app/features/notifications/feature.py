from __future__ import annotations

from core.features import Feature, FrameHandler
from features.notifications import api, frames
from features.notifications.teller import teller

FEATURE = Feature(
    name="notifications",
    frames=(FrameHandler(frames.NotifyClaim, frames.notify_claim, reply="notify.claimed"),),
    sends=(frames.Notify, frames.NotifyClaimed, frames.Notifications),
    routers=(("/notifications", api.router),),
    delivered=(lambda room, events, watchers: teller().hear(room, events, watchers),),
    signalled=(lambda user, frame: teller().forget(user, frame),),
)
