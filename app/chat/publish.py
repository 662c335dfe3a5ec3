"""The chat's interface for features: append events to a log, read things in it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from chat import services
from chat.batch import Stored, refusal_of
from chat.encoding import EventRow, event_row, event_rows, summary_of
from chat.keys import LONGEST, ServerKey
from chat.kinds import KINDS, state_of
from chat.models import Due, Event
from chat.resends import place_of
from chat.services import Parts
from chat.services import message_send as message
from core.errors import NoSuchTarget, RateLimited
from core.refusals import note_refusal
from core.word_filter import holds
from core.words import words as _
from db import database
from realtime.publish import DeferredReply, Person, RoomRef, Slug
from rooms import access
from rooms.models import Membership

if TYPE_CHECKING:
    from realtime.socket import Socket

__all__ = [
    "Key",
    "Parts",
    "ServerKey",
    "Slug",
    "Stored",
    "Target",
    "Thing",
    "append",
    "durable",
    "latest_with_due",
    "message",
    "message_of",
    "place_of",
    "refusal_of",
    "room_of",
    "summary_of",
    "take_token",
    "thing",
    "things",
    "with_due",
    "with_due_obsolete",
]

# Things read together.
MANY = 100

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST, extra_json_schema={"x-name": "Key"})]
Target = Annotated[int, msgspec.Meta(ge=1, le=2**53, extra_json_schema={"x-name": "Target"})]


def append(
    *,
    room: RoomRef,
    author: Person,
    key: str | ServerKey,
    payload: msgspec.Struct,
    target: int | None = None,
    by_server: bool = False,
) -> asyncio.Future[Stored]:
    """Queue an event of a registered kind.

    The result is there once the event is committed and published.
    The same key again answers the first commit with `duplicate`. Raises BadFrame at once; waiting for the result raises
    NotAMember, NoSuchTarget, the refusal of the kind's `apply`, or Unavailable when the outcome is unknown.
    `by_server`: in the author's name, whether they may still write or not.
    `key`: a client's, or a ServerKey for an event that the server writes by itself.
    """
    return services.event_append(room=room, author=author, key=key, payload=payload, target=target, by_server=by_server)


async def durable(socket: Socket, frame: Any, payload: msgspec.Struct) -> DeferredReply:
    """Append the event of a durable frame `{room, key, target?}`.

    The frame is answered with `stored` once the event is committed.
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
    """Count a frame against the person's LIMIT_MESSAGES_PER_S.

    Raises RateLimited.
    """
    if not socket.take_message_token():
        note_refusal("messages", f"user {socket.user.id}", "LIMIT_MESSAGES_PER_S")
        raise RateLimited(_("too many messages a second; wait and send the same key again"))


async def room_of(socket: Socket, slug: str) -> RoomRef:
    """Return a room of this person's.

    Raises NoSuchRoom or NotAMember.

    Of a room that this process knows the person to be in, the database is not asked.
    """
    joined = socket.find_joined(slug)
    known = joined.ref if joined else socket.find_known(slug)
    return known or access.to_ref((await database.run_for(socket.user.id, access.membership_in, socket.user.id, slug)).room)


def message_of(*, room: str, author: str, key: str) -> QuerySet[Event]:
    """Return the message of a feature's row, for `Subquery`.

    The arguments are the names of the row's columns.
    """
    return Event.objects.filter(room_id=OuterRef(room), author_id=OuterRef(author), key=OuterRef(key), kind="message")


class Thing(NamedTuple):
    """A thing in a room's log, in its present state: `state` is its kind's payload."""

    room: RoomRef
    seq: int
    author: Person
    at: Any
    state: Any
    key: str


def with_due(payload: type[msgspec.Struct], room: int, author: int) -> list[Thing]:
    """Read a person's due things of a kind in a room, oldest first.

    The server has yet to act on them: shares that run, for example. Synchronous, in a database thread.
    """
    return _things(_due_of(payload).filter(Q(author=author), room_id=room))


def latest_with_due(payload: type[msgspec.Struct], room: int, author: int) -> Thing | None:
    """Read a person's latest thing of a kind in a room if it is due.

    None where it is not, whether or not an earlier one is. Synchronous.
    """
    due = _due_of(payload).filter(~Exists(_later(payload)), Q(author=author), room_id=room)
    return next(iter(_things(due)), None)


def with_due_obsolete(payload: type[msgspec.Struct]) -> list[Thing]:
    """Read due things of a kind whose author has left or has begun a later one there.

    The server has yet to act on them. Synchronous.
    """
    member = Membership.objects.filter(room_id=OuterRef("room_id"), user_id=OuterRef("author"))
    return _things(_due_of(payload).filter(~Exists(member) | Exists(_later(payload)))[:MANY])


def _later(payload: type[msgspec.Struct]) -> QuerySet[Event]:
    """Return the later things of a due one's kind, author and room."""
    things = Event.objects.filter(kind=str(payload.__struct_config__.tag), target__isnull=True)
    return things.filter(room_id=OuterRef("room_id"), author_id=OuterRef("author"), seq__gt=OuterRef("seq"))


def _due_of(payload: type[msgspec.Struct]) -> QuerySet[Due]:
    """What is due, the fewest rows of all, with author and kind of its event."""
    event = Event.objects.filter(room_id=OuterRef("room_id"), seq=OuterRef("seq"))
    found = Due.objects.annotate(author=Subquery(event.values("author_id")), kind=Subquery(event.values("kind")))
    return found.filter(kind=str(payload.__struct_config__.tag), room__closed=False).order_by("seq")


def _things(due: QuerySet[Due]) -> list[Thing]:
    places = [(one.room, one.seq) for one in due.select_related("room")]
    if not places:
        return []
    wanted = reduce(or_, (Q(room_id=room.id, seq=seq) for room, seq in places))
    rooms = {room.id: access.to_ref(room) for room, _ in places}
    rows = ((room, event_row(*columns)) for room, *columns in event_rows(Event.objects.filter(wanted).order_by("seq"), "room_id"))
    return [_thing(rooms[room], row) for room, row in rows]


def _thing(room: RoomRef, row: EventRow) -> Thing:
    return Thing(room, row.seq, Person(row.author, row.author_name), row.at, state_of(row), row.key)


def thing(user: int, slug: str, seq: int, payload: type[msgspec.Struct]) -> Thing:
    """Read a thing that the person may see.

    Synchronous, in a database thread.

    Raises NoSuchRoom, NotAMember, or NoSuchTarget when the event at `seq` is none of that kind.
    """
    room = access.membership_in(user, slug).room
    kind = str(payload.__struct_config__.tag)
    found = event_rows(Event.objects.filter(room_id=room.id, seq=seq, kind=kind)).first()
    if found is None or KINDS.get(kind) is None:
        raise NoSuchTarget(_("there is no {kind} at {seq} in {room}", kind=kind, seq=seq, room=room.slug))
    return _thing(access.to_ref(room), event_row(*found))


# A room's latest things whose texts a question is compared with.
MOST_COMPARED = 2_000


def things_holding(
    user: int,
    slug: str,
    payload: type[msgspec.Struct],
    words: Sequence[str],
    texts: Sequence[str],
    *,
    before: int | None,
    limit: int,
    **having: Any,
) -> list[Thing]:
    """Read a room's latest things below a seq that hold all words (core.word_filter).

    Otherwise as `things`.

    `texts`: fields of the state, each a text or a list of texts.
    """
    room, rows = _things_of(user, slug, payload, having)
    below = rows.filter(seq__lt=before) if before is not None else rows
    seqs: list[int] = []
    # Of things that are not wanted only the texts are read: ten thousand votes may be beside them.
    for seq, *fields in below.values_list("seq", *(f"data__{name}" for name in texts))[:MOST_COMPARED]:
        if holds(words, *(text for field in fields for text in ([field] if isinstance(field, str) else field))):
            seqs.append(seq)
        if len(seqs) == limit:
            break
    return [_thing(room, event_row(*columns)) for columns in event_rows(rows.filter(seq__in=seqs))]


def things(user: int, slug: str, payload: type[msgspec.Struct], *, limit: int, **having: Any) -> list[Thing]:
    """Read a room's latest things of a kind, the newest first.

    Synchronous, in a database thread.

    `having`: conditions on the state, as `data__closed=False`. Raises NoSuchRoom or NotAMember.
    """
    room, found = _things_of(user, slug, payload, having)
    return [_thing(room, event_row(*columns)) for columns in event_rows(found)[:limit]]


def _things_of(user: int, slug: str, payload: type[msgspec.Struct], having: Mapping[str, Any]) -> tuple[RoomRef, QuerySet[Event]]:
    """Return a room and its things of a kind, the newest first."""
    room = access.membership_in(user, slug).room
    kind = str(payload.__struct_config__.tag)
    found = Event.objects.filter(room_id=room.id, kind=kind, target__isnull=True, **having).exclude(kind="message")
    return access.to_ref(room), found.order_by("-seq")
