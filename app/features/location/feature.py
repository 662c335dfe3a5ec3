"""Shared places: a share is an event, a place is a live value."""

from __future__ import annotations

import re

from core.errors import Closed
from core.features import Feature, FrameHandler, LiveTopic, Periodic
from features.location import api, frames
from features.location.dialect import LocationDialect
from features.location.events import ENDED, LOCATION
from features.location.shares import TOPIC
from features.location.views import urlpatterns

FEATURE = Feature(
    name="location",
    events=(LOCATION, ENDED),
    frames=(
        FrameHandler(frames.LocationShare, frames.location_share, paced=False),
        FrameHandler(frames.LocationUpdate, frames.location_update),
        FrameHandler(frames.LocationStop, frames.location_stop, paced=False),
    ),
    live=(LiveTopic(TOPIC, per_s=1, keep_s=frames.LONGEST_S, value=frames.Place),),
    routers=(("/location", api.router),),
    errors=(Closed,),
    periodic=(Periodic(frames.end_obsolete, every_s=2.0),),
    dialects=((re.compile(r"/ws/location/?"), LocationDialect),),
    urlpatterns=urlpatterns,
)
