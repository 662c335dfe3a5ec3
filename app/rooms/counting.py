"""Count the members of rooms."""

from __future__ import annotations

import time
from collections.abc import Iterable

from django.db.models import Count

from db.queries import Query, Statement, by_orm
from rooms.models import Membership

# Above it a count is cached for KEPT_S: counting 100,000 members takes longer than the rest of a join.
LARGE = 1_000
KEPT_S = 10.0
KEPT = 1_000

_kept: dict[int, tuple[float, int]] = {}


def member_counts(rooms: Iterable[int]) -> dict[int, int]:
    """Return what counts_of returns.

    Synchronous, in a database thread.
    """
    return by_orm(counts_of(rooms))


def counts_of(rooms: Iterable[int]) -> Query[dict[int, int]]:
    """Return the number of members of each room; a large room's may be KEPT_S old."""
    now = time.monotonic()
    known = {room: _kept[room][1] for room in rooms if room in _kept and _kept[room][0] > now}
    asked = [room for room in rooms if room not in known]
    found = (yield _COUNTS(asked)) if asked else ()
    counts = dict.fromkeys(asked, 0) | dict(found)
    if len(_kept) > KEPT:
        _kept.clear()
    _kept.update({room: (now + KEPT_S, count) for room, count in counts.items() if count > LARGE})
    return known | counts


def _read_counts(rooms: list[int]) -> list[tuple[int, int]]:
    return list(Membership.objects.filter(room_id__in=rooms).values_list("room_id").annotate(Count("id")))


_COUNTS = Statement("SELECT room_id, count(*) FROM rooms_membership WHERE room_id = ANY(%s) GROUP BY room_id", _read_counts)
