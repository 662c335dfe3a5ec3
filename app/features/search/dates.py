"""The place of a time in a room's log.

Synchronous, in a database thread.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chat.models import Event
from rooms import access


def first_since(user: int, slug: str, moment: datetime) -> dict[str, Any]:
    """Return the seq of the first event that is not older, head + 1 if there is none.

    Raises NoSuchRoom or NotAMember.

    A log has no holes and runs in the order of time: each step halves the rest.
    """
    room = access.membership_in(user, slug).room
    low, high = 1, room.head + 1
    while low < high:
        middle = (low + high) // 2
        at = Event.objects.filter(room_id=room.id, seq=middle).values_list("at", flat=True).first()
        low, high = (middle + 1, high) if at is not None and at < moment else (low, middle)
    return {"room": room.slug, "seq": low}
