"""The message that another one answers: `reply_to {seq, from, text}`.

The quote of a bot's message has its `alias`, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Case, CharField, F, Q, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Left

from chat.encoding import EventRow, summary_of
from chat.models import Event
from core.errors import NoSuchTarget
from core.words import words as _

# Code points of the quoted text.
LONGEST = 200

Quote = dict[str, Any]
# A thing's data, such as the votes of a poll, may be large.
_EXCERPT = Left(
    Case(
        When(Q(kind="message") | ~Q(text=""), then=F("text")),
        default=Coalesce(KT("data__question"), KT("data__title"), Value("")),
        output_field=CharField(),
    ),
    LONGEST,
)
_PARTS = Case(When(Q(kind="message") & (Q(text="") | ~Q(alias="")), then=F("data")), default=None)


def quote(room: int, seq: int) -> Quote:
    """Return a message of the room, or a thing by its title, as it is quoted.

    The text of a deleted message is empty. Synchronous. Raises NoSuchTarget.
    """
    found = _read({(room, seq)}).get((room, seq))
    if found is None:
        raise NoSuchTarget(_("there is no such message in the room"))
    return found


def with_quotes(rows: Iterable[tuple[int, EventRow]]) -> list[tuple[int, EventRow]]:
    """Add to messages the quotes of the messages that they answer.

    Takes and returns (room id, message) pairs. Sends one query, or none if no message answers another.
    """
    found = list(rows)
    places = {(room, seq) for room, row in found if (seq := answered(row)) is not None}
    if not places:
        return found
    quotes = _read(places)
    return [(room, row._replace(quoted=quotes.get((room, answered(row) or 0)))) for room, row in found]


def answered(row: EventRow) -> int | None:
    """Return the seq of the message that a message answers."""
    return row.data.get("reply_to") if row.kind == "message" and row.data else None


def _read(places: set[tuple[int, int]]) -> dict[tuple[int, int], Quote]:
    wanted = reduce(or_, (Q(room_id=room, seq=seq) for room, seq in places))
    events = Event.objects.filter(wanted, target=None).annotate(excerpt=_EXCERPT, parts=_PARTS)
    rows = events.values_list("room_id", "seq", "author_id", "author__username", "excerpt", "alias", "parts")
    return {(room, seq): _quote(seq, *row) for room, seq, *row in rows}


def _quote(seq: int, author: int, name: str, text: str, alias: str, data: dict[str, Any] | None) -> Quote:
    found: Quote = {"seq": seq, "from": {"id": author, "name": name}, "text": summary_of(text, data)[:LONGEST]}
    if alias and data and data.get("bot"):  # a bot's own name says nothing to people
        found["alias"] = alias
    return found
