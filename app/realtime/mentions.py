"""Keep count of the messages that name a person, as they are delivered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from realtime.events import LogEvent
from realtime.live_room import LiveRoom
from realtime.local_users import LocalUser

# As encoded; in a text the quotation marks are escaped.
_NAMES = '"mentions":['
_DELETED = '{"type":"message.deleted"'
# The id that stands for everybody in the room (chat/mentions.py).
EVERYBODY = 0


class _Event(msgspec.Struct):
    mentions: list[int] = []
    target: int = 0


_decode = msgspec.json.Decoder(_Event).decode


def note_mentions(room: LiveRoom, events: Iterable[LogEvent], people: Mapping[int, LocalUser]) -> None:
    """Note messages that name people of this process, and forget deleted messages."""
    for event in events:
        if _NAMES in event.text:
            for user in _decode(event.text).mentions:
                named = room.watchers if user == EVERYBODY else filter(None, (people.get(user),))
                for local in named:
                    if local.person.id != event.author:
                        local.add_mentions(room.ref.id, (event.seq,))
        elif event.text.startswith(_DELETED):
            target = _decode(event.text).target
            for local in room.watchers:
                local.forget_mentions(room.ref.id, (target,))
