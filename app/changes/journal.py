"""Read the journal for each process's hub.

Synchronous, in a database thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Now

from changes.models import Change
from realtime.publish import JournalRow

# Rows of a table in one read; the next read continues.
PAGE = 5_000
# Older rows that a starting process reads: their transactions may have ended around its start.
START = 500
# For a process that cannot reach the database, or is suspended; realtime/journal.py knows when it was away for longer.
KEPT = timedelta(days=1)


# Position in a table: the highest id read, and the missing ids below it; None before the first read.
Place = tuple[int, list[int]] | None


def read(place: Place) -> list[JournalRow]:
    """Read the journal's new rows."""
    fields = ("id", "kind", "user_id", "room_id", "detail")
    return [JournalRow(*row) for row in new_rows(Change.objects, place, *fields)]


def expired_sessions(seconds: float) -> list[str]:
    """Read the keys of sessions that expired in the last `seconds` (database's clock)."""
    now = Now()
    expired = Session.objects.filter(expire_date__lte=now, expire_date__gt=now - timedelta(seconds=seconds))
    return list(expired.values_list("session_key", flat=True))


def new_rows(table: Any, place: Place, *fields: str) -> QuerySet[Any]:
    """Select these fields of a page of unread rows, from a table with ascending ids."""
    return _unread(table, place).values_list(*fields)[:PAGE]


def _unread(table: Any, place: Place) -> QuerySet[Any]:
    if place is None:
        newest = table.aggregate(newest=Max("id"))["newest"] or 0
        return table.filter(id__gt=newest - START).order_by("id")
    after, gaps = place
    return table.filter(Q(id__gt=after) | Q(id__in=gaps) if gaps else Q(id__gt=after)).order_by("id")


def note_left(left: Iterable[tuple[int, int, str]]) -> None:
    """Note people who leave by themselves, before their memberships are deleted.

    Readers use a person's first row.

    `left`: the person, the room's id and its slug.
    """
    Change.objects.bulk_create(Change(kind="left", user_id=user, room_id=room, detail=slug) for user, room, slug in left)


def prune() -> int:
    """Delete rows older than KEPT; return how many."""
    found: Sequence[Any] = Change.objects.filter(at__lt=Now() - KEPT).delete()
    return int(found[0])
