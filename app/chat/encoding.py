"""A stored event → its frame (docs/protocol.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from realtime.publish import LogEvent, encode

#: What history reads of an event, in the order of EventRow.
COLUMNS = ("seq", "kind", "author_id", "author__username", "key", "at", "text", "alias", "edited", "deleted", "reactions")


class EventRow(NamedTuple):
    """An event as it is stored; for a message its present state."""

    seq: int
    kind: str
    author: int
    author_name: str
    key: str
    at: datetime
    text: str = ""
    alias: str = ""
    edited: bool = False
    deleted: bool = False
    reactions: dict[str, list[int]] = {}


def log_event(row: EventRow, room: str) -> LogEvent:
    fields: dict[str, Any] = {
        "type": row.kind,
        "room": room,
        "seq": row.seq,
        "from": {"id": row.author, "name": row.author_name},
        "text": "" if row.deleted else row.text,
        "at": row.at,
        "edited": row.edited,
        "deleted": row.deleted,
        "reactions": row.reactions,
    }
    if row.alias:
        fields["alias"] = row.alias
    return LogEvent(row.seq, encode(fields), row.author, row.key)
