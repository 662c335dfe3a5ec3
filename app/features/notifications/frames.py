"""The frames of notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from chat.publish import Target, room_of
from features.notifications.claims import Claim, claim
from features.notifications.metrics import CLAIMS
from realtime import server_frames
from realtime.publish import FrameId, Slug, StoredSlug
from realtime.socket import Socket

MOST_TEXT = 200
Time = Annotated[datetime, msgspec.Meta(tz=True)]


class NotifyClaim(msgspec.Struct, tag="notify.claim"):
    room: Slug
    target: Target
    id: FrameId = None


class NotifyClaimed(msgspec.Struct, tag="notify.claimed"):
    """`first`: this device is the person's first to claim it, and shows it."""

    re: FrameId
    first: bool


class Notify(msgspec.Struct, tag="notify"):
    """A message to notify the person of.

    No `seq`: clients take a frame with one for an event of the log.
    """

    reason: Literal["direct", "mention", "all"]
    room: StoredSlug
    target: Target
    sender: server_frames.Person = msgspec.field(name="from")
    at: Time
    text: Annotated[str, msgspec.Meta(max_length=MOST_TEXT)]
    # The room's, where it has one and is not direct.
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=120)] | msgspec.UnsetType = msgspec.UNSET


class Quiet(msgspec.Struct):
    begin: str = msgspec.field(name="from")
    to: str
    zone: str


class Notifications(msgspec.Struct, tag="notifications"):
    """The person's settings after a change, on all their sockets."""

    sound: bool
    browser: bool
    quiet: Quiet | None
    digest: Literal["off", "daily", "hourly"]
    email: str | None
    email_confirmed: bool
    mail: bool
    # Those that differ from the default.
    rooms: dict[StoredSlug, Literal["all", "mentions", "nothing"]]
    push_key: str | None


async def notify_claim(socket: Socket, frame: NotifyClaim) -> dict[str, Any]:
    room = await room_of(socket, frame.room)
    first = await claim(Claim(socket.user.id, room.id, frame.target))
    CLAIMS.labels("first" if first else "later").inc()
    return {"type": "notify.claimed", "first": first}
