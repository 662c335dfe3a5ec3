"""Reads of the journal, for the hub of each process. Synchronous, in a database thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Now

from changes.models import Change
from realtime.publish import JournalRow

# Rows of a table in one read; the rest comes with the next.
PAGE = 5_000
# Rows before the newest that a process reads when it starts: their transactions may have ended just before or after.
START = 500
KEPT = timedelta(hours=1)


# How far a table is read: up to an id, but for gaps; None where nothing was read yet.
Place = tuple[int, list[int]] | None


def read(place: Place) -> list[JournalRow]:
    """Read the journal's new rows."""
    fields = ("id", "kind", "user_id", "room_id", "detail")
    return [JournalRow(*row) for row in new_rows(Change.objects, place, *fields)]


def expired_sessions(seconds: float) -> list[str]:
    """Read the keys of sessions that ran out in the last `seconds`, by the database's clock."""
    now = Now()
    expired = Session.objects.filter(expire_date__lte=now, expire_date__gt=now - timedelta(seconds=seconds))
    return list(expired.values_list("session_key", flat=True))


def new_rows(table: Any, place: Place, *fields: str) -> QuerySet[Any]:
    """Select these fields of the rows that were not read yet, a page of them; of any table with rising ids."""
    return _unread(table, place).values_list(*fields)[:PAGE]


def _unread(table: Any, place: Place) -> QuerySet[Any]:
    if place is None:
        newest = table.aggregate(newest=Max("id"))["newest"] or 0
        return table.filter(id__gt=newest - START).order_by("id")
    after, gaps = place
    return table.filter(Q(id__gt=after) | Q(id__in=gaps) if gaps else Q(id__gt=after)).order_by("id")


def note_left(left: Iterable[tuple[int, int, str]]) -> None:
    """Note people who leave rooms by themselves, before their memberships go: of the two rows readers act on the first.

    `left`: the person, the room's id and its slug.
    """
    Change.objects.bulk_create(Change(kind="left", user_id=user, room_id=room, detail=slug) for user, room, slug in left)


def prune() -> int:
    """Delete rows that every process has read; return how many."""
    found: Sequence[Any] = Change.objects.filter(at__lt=Now() - KEPT).delete()
    return int(found[0])
