"""A share of a person's place in the log: its state, its beginning and its end.

The person ends it, or the server does at `until`, or it ends when the person leaves the room.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from core.errors import Closed, Forbidden
from core.features import Context, EventKind
from core.words import words as _
from features.location import shares


class Location(msgspec.Struct, frozen=True, tag="location"):
    """A share in its present state.

    Where the person is, is a live value and never here.
    """

    until: datetime
    ended: bool = False


class LocationEnded(msgspec.Struct, frozen=True, tag="location.ended"):
    pass


def end(share: Location, payload: LocationEnded, author: int, context: Context) -> Location:
    """End the share.

    Its author may, and the server. Raises Closed when it has ended already.
    """
    if author != context.target_author:
        raise Forbidden(_("only the person who shares their location ends it"))
    if share.ended:
        raise Closed(_("this share has ended"))
    return msgspec.structs.replace(share, ended=True)


def due(share: Location) -> datetime | None:
    return None if share.ended else share.until


def end_in_time(share: Location, now: datetime) -> LocationEnded:
    return LocationEnded()


LOCATION = EventKind(
    payload=Location,
    listed=True,
    counts=True,
    due=due,
    on_due=end_in_time,
    delivered=shares.on_begun,
)
ENDED = EventKind(payload=LocationEnded, amends=Location, apply=end, delivered=shares.on_ended)
