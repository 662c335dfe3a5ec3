"""What features use of the chat: append events to a room's log, and read things in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from chat import services
from chat.batch import Stored
from chat.encoding import event_row, event_rows
from chat.kinds import KINDS, state_of
from chat.models import Event
from chat.services import message_send as message
from core.errors import NoSuchTarget, RateLimited
from core.refusals import note_refusal
from core.words import words as _
from db import database
from realtime.publish import DeferredReply, Person, RoomRef, Slug
from rooms import access
from rooms.models import Room

if TYPE_CHECKING:
    from realtime.socket import Socket

__all__ = ["Key", "Slug", "Stored", "Target", "Thing", "append", "durable", "message", "room_of", "take_token", "thing", "things"]

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Target = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


def append(
    *, room: RoomRef, author: Person, key: str, payload: msgspec.Struct, target: int | None = None, by_server: bool = False
) -> asyncio.Future[Stored]:
    """Queue an event of a registered kind; the result is there once it is committed and published.

    The same key again answers the first commit with `duplicate`. Raises BadFrame at once; waiting for the result raises
    NotAMember, NoSuchTarget, what the kind's `apply` refuses with, or Unavailable when the outcome is unknown.
    `by_server`: in the author's name, whether they may still write or not.
    """
    return services.event_append(room=room, author=author, key=key, payload=payload, target=target, by_server=by_server)


async def durable(socket: Socket, frame: Any, payload: msgspec.Struct) -> DeferredReply:
    """Append the event of a durable frame `{room, key, target?}`, answered with `stored` once it is committed.

    LIMIT_MESSAGES_PER_S holds for it as for messages. Membership is checked in the commit.
    """
    take_token(socket)
    room = await room_of(socket, frame.room)
    target = getattr(frame, "target", None)
    done = append(room=room, author=socket.user, key=frame.key, payload=payload, target=target)
    return DeferredReply(done, _stored)


def _stored(stored: Stored) -> dict[str, Any]:
    return {"type": "stored", "room": stored.room.slug, "seq": stored.seq, "at": stored.at, "duplicate": stored.duplicate}


def take_token(socket: Socket) -> None:
    """Count a frame against the person's LIMIT_MESSAGES_PER_S. Raises RateLimited."""
    if not socket.take_message_token():
        note_refusal("messages", f"user {socket.user.id}", "LIMIT_MESSAGES_PER_S")
        raise RateLimited(_("too many messages a second; wait and send the same key again"))


async def room_of(socket: Socket, slug: str) -> RoomRef:
    """Return a room of this person's. Raises NoSuchRoom or NotAMember.

    Of a room that this process knows the person to be in, the database is not asked.
    """
    joined = socket.find_joined(slug)
    known = joined.ref if joined else socket.find_known(slug)
    return known or access.ref((await database.run_for(socket.user.id, access.membership_in, socket.user.id, slug)).room)


class Thing(NamedTuple):
    """A thing in a room's log, in its present state: `state` is its kind's payload."""

    room: RoomRef
    seq: int
    author: Person
    at: Any
    state: Any


def thing(user: int, slug: str, seq: int, payload: type[msgspec.Struct]) -> Thing:
    """Read a thing that the person may see. Synchronous, in a database thread.

    Raises NoSuchRoom, NotAMember, or NoSuchTarget when the event at `seq` is none of that kind.
    """
    room = access.membership_in(user, slug).room
    kind = str(payload.__struct_config__.tag)
    found = event_rows(Event.objects.filter(room_id=room.id, seq=seq, kind=kind)).first()
    if found is None or KINDS.get(kind) is None:
        raise NoSuchTarget(f"there is no {kind} at {seq} in {room.slug}")
    return _thing(room, found)


def things(user: int, slug: str, payload: type[msgspec.Struct], *, limit: int, **having: Any) -> list[Thing]:
    """Read a room's latest things of a kind, the newest first. Synchronous, in a database thread.

    `having`: conditions on the state, as `data__closed=False`. Raises NoSuchRoom or NotAMember.
    """
    room = access.membership_in(user, slug).room
    kind = str(payload.__struct_config__.tag)
    found = Event.objects.filter(room_id=room.id, kind=kind, target__isnull=True, **having).exclude(kind="message")
    return [_thing(room, columns) for columns in event_rows(found.order_by("-seq"))[:limit]]


def _thing(room: Room, columns: Sequence[Any]) -> Thing:
    row = event_row(*columns)
    return Thing(access.ref(room), row.seq, Person(row.author, row.author_name), row.at, state_of(row))
