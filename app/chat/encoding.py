"""A stored event → its frame (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import msgspec
from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, When

from chat import kinds
from chat.models import Event
from core.features import NOBODY, installed
from realtime.publish import LogEvent, encode

# People listed for each emoji of a message. The first ones: a message that all of a large room like stays small.
LISTED_PEOPLE = 100

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


class Amended(NamedTuple):
    """The target of an amending event, in its present state.

    A message's is not needed: its events say what changed.
    """

    kind: str
    text: str
    data: dict[str, Any] | None
    # The decoded state, where it is known.
    state: Any = None
    # The state as sent to clients, where it was made already.
    shown: dict[str, Any] | None = None


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
    amended: Amended | None = None
    # The decoded state, where it is known: then newer than `data`.
    state: Any = None
    # The message that a message answers (chat/quotes.py).
    quoted: dict[str, Any] | None = None


def event_row(*columns: Any) -> EventRow:
    """Build an event from its columns.

    The kind, text and data of its target may follow them.
    """
    own, target = columns[: len(COLUMNS)], columns[len(COLUMNS) :]
    row = EventRow(*own)
    return row._replace(amended=Amended(*target)) if target and target[0] else row


def event_rows(events: QuerySet[Event], *first: str) -> QuerySet[Any, Any]:
    """The columns of EventRow behind those named."""
    return events.annotate(shown=SHOWN).values_list(*first, *COLUMNS)


def with_targets(found: Iterable[tuple[int, EventRow]]) -> list[tuple[int, EventRow]]:
    """Add to events the targets whose state they carry.

    Takes and returns (room id, event) pairs. Sends one query, or none if no event carries the state of its target. The
    events of one target share it: its state is decoded once.
    """
    events = list(found)
    places = {(room, row.target) for room, row in events if row.target is not None and _carries_state(row)}
    if not places:
        return events
    wanted = reduce(or_, (Q(room_id=room, seq=seq) for room, seq in places))
    rows = Event.objects.filter(wanted).values_list("room_id", "seq", "kind", "text", "data")
    targets = {(room, seq): _decoded(Amended(kind, text, data)) for room, seq, kind, text, data in rows}
    return [(room, row._replace(amended=targets.get((room, row.target or 0)))) for room, row in events]


def _decoded(target: Amended) -> Amended:
    if target.kind == kinds.MESSAGE.name:
        return target
    target = target._replace(state=kinds.state_of(target))
    return target._replace(shown=kinds.public_state(target))


def _carries_state(row: EventRow) -> bool:
    known = kinds.KINDS.get(row.kind)
    return known is not None and known.carries_state


def log_event(row: EventRow, room: str) -> LogEvent:
    fields: dict[str, Any] = {
        "type": row.kind,
        "room": room,
        "seq": row.seq,
        "from": NOBODY if _is_anonymous(row) else {"id": row.author, "name": row.author_name},
        **_content(row),
    }
    if row.alias:
        fields["alias"] = row.alias
    return LogEvent(row.seq, encode(fields), row.author, row.key, kinds.counts(row.kind, row.target))


def _is_anonymous(row: EventRow) -> bool:
    """Whether the event's target hides who amended it.

    So it does where the event's kind or its target is not known.
    """
    known = kinds.KINDS.get(row.kind)
    if known is None:
        # Only the feature, which is off, knows whether it was secret.
        return row.target is not None
    if known.anonymous is None:
        return False
    state = kinds.state_of(row.amended) if row.amended is not None else None
    return state is None or known.anonymous(state)


def _content(row: EventRow) -> dict[str, Any]:
    if row.target is not None:
        return {"at": row.at, "target": row.target, **_change(row)}
    if row.kind == kinds.MESSAGE.name:
        return {
            "text": "" if row.deleted else row.text,
            "at": row.at,
            "edited": row.edited,
            "deleted": row.deleted,
            "reactions": {emoji: people[:LISTED_PEOPLE] for emoji, people in row.reactions.items()},
            **_parts(row),
        }
    # Of a kind that is unknown here nothing is shown: it may hold what only its feature knows to be secret.
    return {"at": row.at, **(kinds.public_state(row) or {})}


def _shown_parts() -> Iterable[str]:
    """Name the parts of features that are on."""
    features = installed()
    return features.message_parts.keys() - features.parts_off if features.parts_off else features.message_parts


def _parts(row: EventRow) -> dict[str, Any]:
    """What a message carries where there is any."""
    found: dict[str, Any] = {}
    if row.quoted is not None:
        found["reply_to"] = row.quoted
    if row.data:
        if row.data.get("mentions"):
            found["mentions"] = row.data["mentions"]
        if row.data.get("bot"):
            found["bot"] = True
        found.update((name, row.data[name]) for name in _shown_parts() if name in row.data)
    return found


def summary_of(text: str, data: dict[str, Any] | None) -> str:
    """Return a message's text, or its substitute if it has none."""
    if text or not data:
        return text
    parts = installed().message_parts.values()
    return ", ".join(part.summary(data[part.name]) for part in parts if part.summary is not None and part.name in data)


def _change(row: EventRow) -> dict[str, Any]:
    """What an amending event carries: of its own, and its target's present state."""
    known = kinds.KINDS.get(row.kind)
    if known is None:
        return {}
    # An edit keeps no text of its own: it shows its target's present one.
    if known.has_text:
        return {"text": row.text or ""}
    fields = known.shown(msgspec.convert(row.data or {}, known.payload)) if known.public is not None else {}
    if known.carries_state and row.amended is not None:
        fields["state"] = kinds.public_state(row.amended) if row.amended.shown is None else row.amended.shown
    return fields
