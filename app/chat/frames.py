"""Chat's frames: unpack one, call a service, name the reply."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from accounts.people import MAX_ALIAS, checked_alias, find_user
from chat import history, joins, services
from chat.batch import Stored
from chat.keys import key_text
from chat.kinds import MessageDeleted, MessageEdited, Reaction
from chat.mentions import mentioned
from chat.publish import Key, Target, room_of, take_token
from chat.quotes import quote
from core.emoji import is_emoji
from core.errors import BadFrame, FeatureOff
from core.features import installed
from core.limits import LIMITS
from db import database, replica
from realtime.publish import DeferredReply, FrameId, Head, RoomRef, Seq, Slug, member_added, own_signal, read_mark, room_signal
from rooms import access
from rooms import services as rooms
from rooms.join_flow import enter
from rooms.models import Membership, Room

if TYPE_CHECKING:
    from realtime.socket import Socket


class MessageSend(msgspec.Struct, tag="message.send"):
    key: Key
    text: str
    room: Slug | None = None
    to: Annotated[int, msgspec.Meta(ge=1, le=2**53)] | Slug | None = None
    # Only described: a longer one is refused with too_long.
    alias: Annotated[str, msgspec.Meta(extra_json_schema={"maxLength": MAX_ALIAS})] = ""
    # The seq of the message that this one answers.
    reply_to: Target | None = None
    id: FrameId = None


class MessageEdit(msgspec.Struct, tag="message.edit"):
    room: Slug
    target: Target
    text: str
    key: Key
    id: FrameId = None


class MessageDelete(msgspec.Struct, tag="message.delete"):
    room: Slug
    target: Target
    key: Key
    id: FrameId = None


class MessageReact(msgspec.Struct, tag="message.react"):
    room: Slug
    target: Target
    emoji: str
    on: bool
    key: Key
    id: FrameId = None


class RoomJoin(msgspec.Struct, tag="room.join"):
    room: Slug
    after: Seq | None = None
    id: FrameId = None


class RoomLeave(msgspec.Struct, tag="room.leave"):
    room: Slug
    id: FrameId = None


class History(msgspec.Struct, tag="history"):
    room: Slug
    before: Seq | None = None
    after: Seq | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIMITS.page_events)] = LIMITS.latest_messages
    id: FrameId = None


class Read(msgspec.Struct, tag="read"):
    room: Slug
    upto: Seq
    id: FrameId = None


async def room_join(socket: Socket, frame: RoomJoin) -> None:
    """Replies by itself: the reply and the first live event must not change places."""
    room = await enter(socket.user, frame.room, but_for=socket)
    await socket.join(room, frame.id, lambda: joins.page_of(socket.user.id, room, frame.after, socket.hub.limits))


async def room_leave(socket: Socket, frame: RoomLeave) -> dict[str, Any]:
    socket.leave(frame.room)
    return {"type": "ok"}


async def message_edit(socket: Socket, frame: MessageEdit) -> DeferredReply:
    return await _amend(socket, frame, MessageEdited(text=frame.text))


async def message_delete(socket: Socket, frame: MessageDelete) -> DeferredReply:
    return await _amend(socket, frame, MessageDeleted())


def message_react(socket: Socket, frame: MessageReact) -> Awaitable[DeferredReply]:
    if not is_emoji(frame.emoji):
        raise BadFrame("message.react: emoji takes one emoji")
    return _amend(socket, frame, Reaction(emoji=frame.emoji, on=frame.on))


async def _amend(socket: Socket, frame: MessageEdit | MessageDelete | MessageReact, payload: msgspec.Struct) -> DeferredReply:
    """Answer later, as message_send does.

    The limit of messages holds for amending events, too.
    """
    take_token(socket)
    room = await room_of(socket, frame.room)
    amended = services.event_append(room=room, author=socket.user, key=frame.key, target=frame.target, payload=payload)
    return DeferredReply(amended, _sent)


def message_send(socket: Socket, frame: MessageSend) -> DeferredReply | Awaitable[DeferredReply]:
    """Answers later: a client that sends many need not wait for each commit."""
    _check(socket, frame)
    room = _known_room(socket, frame.room)
    if room is None or not _alias_is_known(socket, frame) or not _is_plain(frame):
        return _send_after_look_ups(socket, frame)
    return _queued(socket, frame, room)


async def _send_after_look_ups(socket: Socket, frame: MessageSend) -> DeferredReply:
    # Before anything is made for a message that is refused: a direct room, for one.
    services.check_text(frame.text, may_be_empty=services.stands_alone(_extra(frame)))
    key_text(frame.key)
    if not _alias_is_known(socket, frame):
        await set_alias(socket, frame.alias)
    room = _known_room(socket, frame.room) or await _addressed_room(socket, frame)
    return _queued(socket, frame, room, None if _is_plain(frame) else await _parts(socket, room, frame))


def _is_plain(frame: MessageSend) -> bool:
    """Whether nothing has to be looked up for the message."""
    if frame.reply_to is not None or "@" in frame.text:
        return False
    # A loop: this runs for every message.
    for name in installed().message_parts:  # noqa: SIM110
        if getattr(frame, name):
            return False
    return True


def _extra(frame: MessageSend) -> dict[str, Any]:
    """Return the features' parts of a message, by name, as the client sent them."""
    given = {name: value for name in installed().message_parts if (value := getattr(frame, name))}
    if given and (off := given.keys() & installed().parts_off):
        raise FeatureOff(f"the feature of {', '.join(sorted(off))} is switched off")
    return given


async def _parts(socket: Socket, room: RoomRef, frame: MessageSend) -> services.Parts:
    quoted = None
    if frame.reply_to is not None:
        quoted = await database.run_for(socket.user.id, _quote, socket.user.id, room, frame.reply_to)
    mentions = await mentioned(room.id, socket.user.id, frame.text)
    extra = {
        name: await installed().message_parts[name].prepare(room, socket.user, frame.key, value)
        for name, value in _extra(frame).items()
    }
    return services.Parts(quoted, mentions, extra)


def _quote(user: int, room: RoomRef, seq: int) -> dict[str, Any]:
    access.membership_in(user, room.slug)
    return quote(room.id, seq)


def _alias_is_known(socket: Socket, frame: MessageSend) -> bool:
    return not frame.alias or frame.alias in socket.alias


async def set_alias(socket: Socket, alias: str) -> None:
    """Check the name that a socket's messages carry, and remember it.

    The next messages carry the same name and need no check. Raises TooLong or BadFrame.
    """
    socket.alias = (alias, await database.run(checked_alias, socket.user.id, alias))


def _check(socket: Socket, frame: MessageSend) -> None:
    if (frame.room is None) == (frame.to is None):
        raise BadFrame("message.send: give either room or to")
    take_token(socket)


def _queued(socket: Socket, frame: MessageSend, room: RoomRef, parts: services.Parts | None = None) -> DeferredReply:
    alias = frame.alias and socket.alias[1]
    stored = services.message_send(room=room, author=socket.user, key=frame.key, text=frame.text, alias=alias, parts=parts)
    return DeferredReply(stored, _sent)


def _sent(stored: Stored) -> dict[str, Any]:
    return {
        "type": "message.sent",
        "room": stored.room.slug,
        "seq": stored.seq,
        "at": stored.at,
        "duplicate": stored.duplicate,
    }


async def history_page(socket: Socket, frame: History) -> dict[str, Any]:
    if (frame.before is None) == (frame.after is None):
        raise BadFrame("history: give either before or after")

    def read() -> dict[str, Any]:
        room = access.membership_in(socket.user.id, frame.room).room
        events, more = history.page_of(room, before=frame.before, after=frame.after, limit=frame.limit)
        shown = history.encode_for(socket.user.id, events)
        return {"type": "history.page", "room": room.slug, "messages": shown, "more": more}

    return await replica.run_for(socket.user.id, read)


async def read(socket: Socket, frame: Read) -> dict[str, Any]:
    def move() -> tuple[Membership, Head | None]:
        found: Membership = access.membership_in(socket.user.id, frame.room)
        seq = min(frame.upto, found.room.head)
        if seq <= found.last_read_seq:
            return found, None
        mark = Head(seq, history.uncounted_at(found.room, seq))
        rooms.member_read(membership=found, last_read_seq=mark.seq, uncounted=mark.uncounted)
        return found, mark

    found, mark = await database.run_for(socket.user.id, move)
    if mark is not None:
        room = access.to_ref(found.room)
        read_mark(room, socket.user.id, head=Head(found.room.head, found.room.uncounted), last_read=mark)
        signal = {"type": "read", "room": room.slug, "user": socket.user.wire(), "upto": mark.seq}
        if found.silenced:
            own_signal(room, signal, user=socket.user.id)
        else:
            room_signal(room, signal, sender=0)
    return {"type": "ok"}


def _known_room(socket: Socket, slug: str | None) -> RoomRef | None:
    """Return the room if this process knows the person to be in it.

    The group commit checks membership again, in its own transaction.
    """
    if slug is None:
        return None
    joined = socket.find_joined(slug)
    return joined.ref if joined else socket.find_known(slug)


async def _addressed_room(socket: Socket, frame: MessageSend) -> RoomRef:
    if frame.room is None:
        assert frame.to is not None
        return await _direct_room(socket, frame.to)
    return await room_of(socket, frame.room)


async def _direct_room(socket: Socket, to: int | str) -> RoomRef:
    def resolve() -> tuple[Room, int, bool]:
        other = find_user(to)
        room, made = rooms.room_direct(user=socket.user.id, other=other.id)
        return room, other.id, made

    room, other, made = await database.run_for(socket.user.id, resolve)
    if made:
        member_added(access.to_ref(room), (socket.user.id, other), access.details(room), but_for=socket)
    return access.to_ref(room)
