from __future__ import annotations

from core.features import Feature, FrameHandler
from realtime import server_frames
from realtime.activity import Activity, activity
from realtime.protocol import Ping, ping

FEATURE = Feature(
    name="realtime",
    frames=(FrameHandler(Activity, activity), FrameHandler(Ping, ping, paced=False, reply="pong")),
    sends=server_frames.FRAMES,
)
