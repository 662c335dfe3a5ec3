"""Writes of the chat."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from django.conf import settings

from chat.batch import PendingEvent, Stored
from chat.group_commit import writer
from chat.keys import ServerKey, key_text
from chat.kinds import KINDS
from chat.text import is_visible
from core.errors import BadFrame, Empty, TooLong
from core.features import installed
from core.words import words as _
from realtime.publish import Person, RoomRef


class Parts(NamedTuple):
    """What a message holds beside its text, looked up before it is sent."""

    # As chat/quotes.py returns it.
    quoted: dict[str, Any] | None = None
    # Ids of people; 0: everybody in the room.
    mentions: Sequence[int] = ()
    # Of features, by name (core.features.MessagePart).
    extra: Mapping[str, Any] = {}
    # Whether a program wrote it.
    bot: bool = False

    def data(self) -> dict[str, Any] | None:
        """Return what is stored; None for nothing."""
        found: dict[str, Any] = {"reply_to": self.quoted["seq"]} if self.quoted else {}
        if self.mentions:
            found["mentions"] = list(self.mentions)
        if self.bot:
            found["bot"] = True
        return found | dict(self.extra) or None


def message_send(
    *,
    room: RoomRef,
    author: Person,
    key: str | ServerKey,
    text: str,
    alias: str = "",
    parts: Parts | None = None,
    by_server: bool = False,
) -> asyncio.Future[Stored]:
    """Queues a message; the result is there once it is committed and published.

    Messages keep the order of the calls.

    `by_server`: in the author's name, whether they may still write or not.
    The same key again answers the first commit with `duplicate`. Raises Empty, TooLong or BadFrame at once; waiting for
    the result raises NotAMember, or Unavailable when the outcome is unknown.
    """
    check_text(text, may_be_empty=parts is not None and stands_alone(parts.extra))
    append = PendingEvent(room=room, author=author.id, author_name=author.name, key=key_text(key), text=text, alias=alias)
    append.by_server = by_server
    if parts is not None:
        append.data, append.quoted = parts.data(), parts.quoted
    return writer().submit(append)


def event_append(
    *,
    room: RoomRef,
    author: Person,
    key: str | ServerKey,
    payload: msgspec.Struct,
    target: int | None = None,
    by_server: bool = False,
) -> asyncio.Future[Stored]:
    """Queue an event of any kind, as message_send does a message.

    `target`: the seq of the event that it amends.

    The result may also raise the refusal of the kind's `apply`, or NoSuchTarget.
    """
    kind = KINDS[str(type(payload).__struct_config__.tag)]
    if (kind.amends is None) != (target is None):
        raise BadFrame(f"{kind.name}: target is the seq of the event that it amends")
    text = getattr(payload, "text", "")
    if kind.has_text:
        check_text(text)
    append = PendingEvent(
        room=room,
        author=author.id,
        author_name=author.name,
        key=key_text(key),
        text=text,
        kind=kind.name,
        target=target,
        payload=payload,
        data=kind.data_of(payload),
        by_server=by_server,
    )
    return writer().submit(append)


def stands_alone(parts: Iterable[str]) -> bool:
    """Return whether a message with these parts of features may have no text."""
    return any(installed().message_parts[name].stands_alone for name in parts)


def check_text(text: str, *, may_be_empty: bool = False) -> None:
    """Raise TooLong, BadFrame or Empty for a text that cannot be sent.

    BadFrame is for a NUL, which Postgres cannot store. Empty is for a text without visible characters.
    """
    if len(text) > settings.MAX_TEXT:
        raise TooLong(_("text has {count} characters, the limit is {most}", count=len(text), most=settings.MAX_TEXT))
    if "\0" in text:
        raise BadFrame(_("text holds a NUL character"))
    if not may_be_empty and not is_visible(text):
        raise Empty(_("text is empty"))
