"""Find the event of a durable frame that was stored before.

A frame may be sent again after its file, a name or an opponent has gone. Its look-ups then refuse it before the commit
compares the key.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accounts.models import User
from chat.keys import key_text
from chat.models import Event
from core.errors import BadFrame, NoSuchRoom, NotAMember
from core.features import installed
from db import database
from rooms import access, slugs


async def stored_before(user: int, frame: Any) -> dict[str, Any] | None:
    """Return the reply to a durable frame whose key is in the log.

    None for an unknown key, and where the commit would refuse the person.
    Raises RateLimited or DatabaseUnavailable.
    """
    return await database.run_for(user, _stored_before, user, frame)


def _stored_before(user: int, frame: Any) -> dict[str, Any] | None:
    try:
        membership = access.membership_in(user, frame.room or _direct_slug(user, frame.to))
        found = place_of(room=membership.room_id, author=user, key=frame.key)
    except (BadFrame, NoSuchRoom, NotAMember):
        return None
    if found is None or membership.silenced:
        return None
    reply = installed().frames[str(type(frame).__struct_config__.tag)].reply or "stored"
    return {"type": reply, "room": membership.room.slug, "seq": found[0], "at": found[1], "duplicate": True}


def place_of(*, room: int, author: int, key: str) -> tuple[int, datetime] | None:
    """Return seq and time of the event of a client's key.

    Synchronous, in a database thread. Raises BadFrame.
    """
    found = Event.objects.filter(author_id=author, room_id=room, key=key_text(key)).values_list("seq", "at")
    return next(iter(found), None)


def _direct_slug(user: int, to: int | str) -> str:
    """Return the slug of the direct room with a person, also with an inactive one.

    Raises NoSuchRoom.
    """
    other = to if isinstance(to, int) else User.objects.by_name(to).values_list("id", flat=True).first()
    if other is None:
        raise NoSuchRoom("no person has this name")
    return slugs.direct(user, other)
