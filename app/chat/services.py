"""Writes of the chat."""

from __future__ import annotations

import asyncio

from django.conf import settings

from chat.batch import Append, Stored
from chat.group_commit import writer
from chat.text import is_visible
from core.errors import BadFrame, Empty, TooLong
from realtime.publish import Person, RoomRef


def message_send(*, room: RoomRef, author: Person, key: str, text: str, alias: str = "") -> asyncio.Future[Stored]:
    """Queues a message; the result is there once it is committed and published. Messages keep the order of the calls.

    The same key again answers the first commit with `duplicate`. Raises Empty, TooLong or BadFrame at once; waiting for
    the result raises NotAMember, or Unavailable when the outcome is unknown.
    """
    if len(text) > settings.MAX_TEXT:
        raise TooLong(f"text has {len(text)} characters, the limit is {settings.MAX_TEXT}")
    if not is_visible(text):
        raise Empty("text is empty")
    if not key.strip():
        raise BadFrame("key is blank")
    append = Append(room=room, author=author.id, author_name=author.name, key=key, text=text, alias=alias)
    return writer().submit(append)
