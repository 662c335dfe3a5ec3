from __future__ import annotations

from core.features import Feature, FrameHandler
from features.polls import api, events, frames, lists

FEATURE = Feature(
    name="polls",
    events=(events.POLL, events.VOTED, events.CLOSED),
    frames=(
        FrameHandler(frames.PollCreate, frames.poll_create, paced=False),
        FrameHandler(frames.PollVote, frames.poll_vote, paced=False),
        FrameHandler(frames.PollClose, frames.poll_close, paced=False),
    ),
    lists=(lists.POLLS,),
    routers=(("/rooms", api.router),),
)
