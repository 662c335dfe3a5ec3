"""Frames of shared places."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from django.utils import timezone

from chat import publish
from chat.publish import Key, Target
from core.errors import Closed, Forbidden, FrameRefused, Unavailable
from core.words import words as _
from db import database
from features.location import shares
from features.location.events import Location, LocationEnded
from features.location.metrics import UPDATES
from features.location.shares import TOPIC, Share
from realtime import live
from realtime.publish import DeferredReply, FrameId, Person, RoomRef, Slug
from rooms import access

if TYPE_CHECKING:
    from realtime.socket import Socket

# The longest share: what "until stopped" means to the server.
LONGEST_S = 86_400

Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]
# Metres; half of the Earth's circumference.
Accuracy = Annotated[float, msgspec.Meta(ge=0, le=20_037_509)]


class LocationShare(msgspec.Struct, tag="location.share"):
    room: Slug
    key: Key
    # 0: until stopped, at most LONGEST_S.
    seconds: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_S)]
    id: FrameId = None


class LocationUpdate(msgspec.Struct, tag="location.update"):
    room: Slug
    latitude: Latitude
    longitude: Longitude
    accuracy: Accuracy | None = None
    id: FrameId = None


class LocationStop(msgspec.Struct, tag="location.stop"):
    room: Slug
    target: Target
    key: Key
    id: FrameId = None


class Place(msgspec.Struct):
    """The live value of the topic `location`; its key is the share's seq."""

    latitude: float
    longitude: float
    # Metres; None: not known.
    accuracy: float | None


async def location_share(socket: Socket, frame: LocationShare) -> DeferredReply:
    """Begin a share.

    A person has one in a room: an earlier one ends.
    """
    payload = Location(until=timezone.now() + timedelta(seconds=frame.seconds or LONGEST_S))
    reply = await publish.durable(socket, frame, payload)
    room, user = await publish.room_of(socket, frame.room), socket.user
    reply.done.add_done_callback(lambda _: socket.hub.spawn(end_all_but_last(room, user)))
    return reply


async def location_update(socket: Socket, frame: LocationUpdate) -> dict[str, Any]:
    """Show everybody in the room where the person is.

    Raises Closed without a running share.
    """
    room = await publish.room_of(socket, frame.room)
    if room.direct and not await access.may_write(room.id, socket.user.id):  # blocks concern direct rooms only
        raise Forbidden(_("this person does not take messages from you"))
    await update(room, socket.user, Place(frame.latitude, frame.longitude, frame.accuracy))
    return {"type": "ok"}


async def location_stop(socket: Socket, frame: LocationStop) -> DeferredReply:
    return await publish.durable(socket, frame, LocationEnded())


async def update(room: RoomRef, person: Person, place: Place) -> None:
    """Set where a person is.

    Raises Closed without a running share.
    """
    share = await running(room, person)
    if share is None:
        raise Closed(_("you share no location in this room: send location.share first"))
    value = msgspec.structs.asdict(place)
    live.publish(room, TOPIC, str(share.seq), value, sender=person, keep_s=share.until - time.time())
    UPDATES.inc()


async def running(room: RoomRef, person: Person) -> Share | None:
    """Return the person's running share in a room: the latest."""
    known = shares.known()
    found = known.get(room.id, person.id)
    if found is not None:
        return found
    asked, before = time.monotonic(), known.last(room.id, person.id)
    latest = await database.run_for(person.id, publish.latest_with_due, Location, room.id, person.id)
    found = latest and Share(latest.seq, latest.state.until.timestamp(), latest.key)
    if found is not None and (found.until <= time.time() or known.has_ended(room.id, found.seq)):
        found = None
    if before is not None and (found is None or found.seq != before.seq):  # its end was not heard here
        shares.end_place(room, person, before.seq)
    if found is not None:
        known.put(room.id, person.id, found, asked)
    return found


async def end_all_but_last(room: RoomRef, person: Person) -> None:
    """End the shares that a newer one replaced."""
    try:
        things = await database.run_for(person.id, publish.with_due, Location, room.id, person.id)
        for one in things[:-1]:
            await end(room, person, one.seq)
    except (FrameRefused, database.DatabaseUnavailable):
        return  # end_obsolete ends them


async def end(room: RoomRef, person: Person, seq: int) -> None:
    """End a share for its author, once.

    Raises Unavailable.
    """
    key = publish.ServerKey("location.ended", seq)
    done = publish.append(room=room, author=person, key=key, payload=LocationEnded(), target=seq, by_server=True)
    try:
        await done
    except Unavailable:
        raise
    except FrameRefused:
        return  # it has ended already


async def end_obsolete() -> None:
    """End the shares of people who have left, and shares replaced by a later one.

    The process that stored the later one may have died before it ended the earlier. Raises DatabaseUnavailable.
    """
    found = await database.run(publish.with_due_obsolete, Location)
    random.shuffle(found)  # a room that cannot be written must not keep the others waiting
    for one in found:
        try:
            await end(one.room, one.author, one.seq)
        except Unavailable:
            return
