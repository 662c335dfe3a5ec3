"""A stored event → its frame (docs/protocol.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Case, F, OuterRef, QuerySet, Subquery, When

from chat import kinds
from chat.models import Event
from realtime.publish import LogEvent, encode

LISTED_PEOPLE = 100
"""People listed for each emoji of a message. The first ones: a message that all of a large room like stays small."""

#: What history reads of an event, in the order of EventRow.
COLUMNS = (
    "seq", "kind", "author_id", "author__username", "key", "at", "shown", "alias", "edited", "deleted", "reactions", "target",
    "data",
)  # fmt: skip
#: An edit keeps no text: it shows its target's present one, and after a deletion none is left.
SHOWN = Case(
    When(
        kind=kinds.EDITED.name,
        then=Subquery(Event.objects.filter(room_id=OuterRef("room_id"), seq=OuterRef("target")).values("text")),
    ),
    default=F("text"),
)


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
    target: int | None = None
    data: dict[str, Any] | None = None


def event_rows(events: QuerySet[Event], *first: str) -> QuerySet[Any, Any]:
    """The columns of EventRow behind those named."""
    return events.annotate(shown=SHOWN).values_list(*first, *COLUMNS)


def log_event(row: EventRow, room: str) -> LogEvent:
    fields: dict[str, Any] = {
        "type": row.kind,
        "room": room,
        "seq": row.seq,
        "from": {"id": row.author, "name": row.author_name},
    }
    if row.target is None:
        fields |= {
            "text": "" if row.deleted else row.text,
            "at": row.at,
            "edited": row.edited,
            "deleted": row.deleted,
            "reactions": {emoji: people[:LISTED_PEOPLE] for emoji, people in row.reactions.items()},
        }
    else:
        fields |= {"at": row.at, "target": row.target, **(row.data or {})}
        known = kinds.KINDS.get(row.kind)
        if known is not None and known.has_text:
            fields["text"] = row.text or ""
    if row.alias:
        fields["alias"] = row.alias
    return LogEvent(row.seq, encode(fields), row.author, row.key, kinds.counts(row.kind, row.target))
