"""The frames of notes.

Membership is checked at each: in the database, or in the hub for an open note.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any

import msgspec
from django.conf import settings

from chat.publish import Key, Target, durable, room_of
from chat.text import check_text
from core.errors import NoSuchTarget, RateLimited, TooLong
from core.limits import Buckets
from core.per_loop import PerLoop
from core.refusals import note_refusal
from core.words import words as _
from db import database
from db.database import DatabaseUnavailable
from features.notes import services
from features.notes.events import MAX_TITLE, Note, Title
from features.notes.services import Incoming
from features.notes.writer import compact_soon, writer
from realtime import live, parts, server_frames
from realtime.publish import DeferredReply, FrameId, RoomRef, Slug, StoredSlug
from realtime.socket import Socket
from rooms import access

# Below a frame's size in base64.
MAX_UPDATE = 131_072
MAX_VECTOR = 16_384
# A position in the text, as Yjs encodes it relative to its neighbours.
Position = Annotated[bytes, msgspec.Meta(max_length=256)]
Client = Annotated[int, msgspec.Meta(ge=0, le=2**53)]

# Numbers an update in its note.
Number = Annotated[int, msgspec.Meta(ge=0)]


class NoteOpened(msgspec.Struct, tag="note.opened"):
    """What the client lacks, and the server's state vector.

    Every update up to `number` is part of it.
    """

    re: FrameId
    room: StoredSlug
    note: Target
    update: bytes
    vector: bytes
    number: Number


class NoteUpdated(msgspec.Struct, tag="note.update"):
    """The push of an update.

    A push that stands for several lost ones is from the person 0.
    """

    room: StoredSlug
    note: Target
    number: Number
    sender: server_frames.Person = msgspec.field(name="from")
    update: bytes


class Cursor(msgspec.Struct):
    """The live value of the topic `note.cursor`; null positions hide the cursor."""

    note: Target
    client: Client
    anchor: Position | None
    head: Position | None


_paces = PerLoop(lambda: Buckets(settings.LIMIT_NOTE_UPDATES_PER_S, 5 * settings.LIMIT_NOTE_UPDATES_PER_S))


class NoteCreate(msgspec.Struct, tag="note.create"):
    room: Slug
    title: Title
    key: Key
    id: FrameId = None


class NoteOpen(msgspec.Struct, tag="note.open"):
    room: Slug
    note: Target
    # The client's state vector; one zero byte for an empty document.
    vector: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_VECTOR)] = b"\x00"
    id: FrameId = None


class NoteUpdate(msgspec.Struct, tag="note.update"):
    room: Slug
    note: Target
    update: bytes
    id: FrameId = None


class NoteClose(msgspec.Struct, tag="note.close"):
    room: Slug
    note: Target
    id: FrameId = None


class NoteCursor(msgspec.Struct, tag="note.cursor"):
    room: Slug
    note: Target
    # The document's client id in Yjs.
    client: Client
    # None: no cursor is shown.
    anchor: Position | None = None
    head: Position | None = None
    id: FrameId = None


async def note_create(socket: Socket, frame: NoteCreate) -> DeferredReply:
    check_text(_("title"), frame.title, MAX_TITLE)
    reply = await durable(socket, frame, Note(title=frame.title))
    return DeferredReply(asyncio.ensure_future(_with_document(reply.done, frame.title, socket.user.id)), reply.fields)


async def _with_document(done: asyncio.Future[Any], title: str, author: int) -> Any:
    stored = await done
    # The event is stored; the first who opens the note makes its document.
    with contextlib.suppress(DatabaseUnavailable, RateLimited):
        await database.run_for(author, services.document_create, stored.room, stored.seq, title, author)
    return stored


async def note_open(socket: Socket, frame: NoteOpen) -> dict[str, Any]:
    """Open a note: push its updates from now on, then read it.

    In this order no update is lost in between.
    """
    room, opened = await room_of(socket, frame.room), parts.current()
    again = opened.is_open(socket, room, "note", frame.note)
    opened.open(socket, room, "note", frame.note)
    try:
        read = await database.run_for(socket.user.id, services.note_open, socket.user.id, room.slug, frame.note, frame.vector)
    except BaseException:
        if not again:
            opened.close(socket, room, "note", frame.note)
        raise
    opened.opened(room, "note", frame.note, read.number)
    fields = {"room": room.slug, "note": frame.note, "update": read.update, "vector": read.vector, "number": read.number}
    return {"type": "note.opened", **fields}


async def note_update(socket: Socket, frame: NoteUpdate) -> DeferredReply:
    """Answer once the update is stored.

    The note need not be open.
    """
    if len(frame.update) > MAX_UPDATE:
        raise TooLong(f"update has {len(frame.update)} bytes, the limit is {MAX_UPDATE}")
    if not _paces().take(str(socket.user.id)):
        note_refusal("notes", f"user {socket.user.id}", "LIMIT_NOTE_UPDATES_PER_S")
        raise RateLimited("too many updates a second; merge them and send again")
    room = await room_of(socket, frame.room)
    stored = writer().submit(room, frame.note, Incoming(socket.user, frame.update), socket)
    return DeferredReply(stored, lambda _: {"type": "ok"})


async def note_close(socket: Socket, frame: NoteClose) -> dict[str, Any]:
    parts.current().close(socket, _opened(socket, frame.room, frame.note), "note", frame.note)
    return {"type": "ok"}


async def note_cursor(socket: Socket, frame: NoteCursor) -> None:
    """Show a cursor to all who have the note open.

    A socket has one cursor in each note. The cursor of a blocked person is dropped, as their typing is.
    """
    room = _opened(socket, frame.room, frame.note)
    if room.direct and not await access.may_write(room.id, socket.user.id):  # blocks concern direct rooms only
        return
    if parts.current().room_of(socket, frame.room, "note", frame.note) is None:  # closed meanwhile
        return
    cursors: dict[tuple[int, int], str] = socket.state.setdefault("notes", {})
    key = f"{frame.note}.{socket.user.id}.{frame.client}"
    before = cursors.get((room.id, frame.note), key)
    if before != key:
        live.end(room, "note.cursor", before, sender=socket.user)
    cursors[room.id, frame.note] = key
    cursor = Cursor(frame.note, frame.client, frame.anchor, frame.head)
    live.publish(room, "note.cursor", key, msgspec.to_builtins(cursor), sender=socket.user)


def closed(socket: Socket, room: RoomRef, note: int, last: bool) -> None:
    """Take the cursor away; the last one here has the note compacted."""
    cursor = socket.state.get("notes", {}).pop((room.id, note), None)
    if cursor is not None:
        live.end(room, "note.cursor", cursor, sender=socket.user)
    if last:
        socket.hub.spawn(compact_soon(room, note))


def _opened(socket: Socket, slug: str, note: int) -> RoomRef:
    """Return the room of a note that this socket has open.

    Raises NoSuchTarget.
    """
    room = parts.current().room_of(socket, slug, "note", note)
    if room is None:
        raise NoSuchTarget(f"note {note} of {slug[:64]} is not open on this socket")
    return room
