"""Reads of the journal, for the hub of each process. Synchronous, in a database thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Now

from changes.models import Change
from realtime.publish import JournalRow, News
from rooms.models import Membership

PAGE = 5_000
"""Rows of a table in one read; the rest comes with the next."""
START = 500
"""Rows before the newest that a process reads when it starts: their transactions may have ended just before or after."""
KEPT = timedelta(hours=1)


def read(changes: tuple[int, list[int]] | None, members: tuple[int, list[int]] | None, expired_s: float) -> News:
    """Everything that is new, where `changes` and `members` say how far their tables are read: up to an id, but for gaps.

    None where nothing was read yet. Sessions are new that ran out in the last `expired_s` seconds, by the database's clock.
    """
    rows = _rows(Change.objects, changes).values_list("id", "kind", "user_id", "room_id", "detail")
    added = _rows(Membership.objects, members).values_list("id", "user_id", "room_id", "upto")
    now = Now()
    expired = Session.objects.filter(expire_date__lte=now, expire_date__gt=now - timedelta(seconds=expired_s))
    return News(
        [JournalRow(*row) for row in rows[:PAGE]],
        [JournalRow(number, "added", user, room, str(upto)) for number, user, room, upto in added[:PAGE]],
        list(expired.values_list("session_key", flat=True)),
    )


def _rows(table: Any, place: tuple[int, list[int]] | None) -> QuerySet[Any]:
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
