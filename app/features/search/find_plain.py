"""Search without an index, for any database.

Read the newest messages of the rooms, one block after the other.
"""

from __future__ import annotations

import time

from django.db.models import QuerySet

from chat.models import Event
from features.search.matching import match
from features.search.wanted import CANDIDATES, Found, Wanted

BLOCK = 2_000
# What one question may cost.
MOST_ROWS = 50_000
LIMIT_S = 1.0
_COLUMNS = ("id", "room_id", "seq", "author_id", "author__username", "at", "text")


def narrowed(events: QuerySet[Event], wanted: Wanted) -> QuerySet[Event]:
    """Return the events by the author and in the time that are asked for."""
    question = wanted.question
    if wanted.author is not None:
        events = events.filter(author_id=wanted.author)
    if wanted.before_seq is not None:
        events = events.filter(seq__lt=wanted.before_seq)
    if question.before is not None:
        events = events.filter(at__lt=question.before)
    if question.after is not None:
        events = events.filter(at__gte=question.after)
    return events


def search(wanted: Wanted) -> tuple[list[Found], bool]:
    """Return matches, the newest ones first, and whether there may be more."""
    question = wanted.question
    events = Event.objects.filter(room_id__in=wanted.rooms, kind__in=wanted.kinds).order_by("-id")
    events = narrowed(events, wanted)
    # A message with files may have no text.
    events = events.filter(data__files__isnull=False) if question.has_file else events.exclude(text="")
    found: list[Found] = []
    last, read, end = 0, 0, time.monotonic() + LIMIT_S
    while read < MOST_ROWS and time.monotonic() < end:
        block = [Found(*row) for row in (events.filter(id__lt=last) if last else events).values_list(*_COLUMNS)[:BLOCK]]
        found += [row for row in block if match(row.text, question.terms) is not None]
        if len(found) > CANDIDATES:
            return found[:CANDIDATES], True
        if len(block) < BLOCK:
            return found, False
        last, read = block[-1].id, read + BLOCK
    return found, True
