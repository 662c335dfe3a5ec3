"""Reads of the log.

The synchronous ones run in a database thread; the `async` ones are what realtime asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

import msgspec
from django.db.models import Func, IntegerField, Q, QuerySet, RowRange, Sum, Window
from django.db.models.functions import Length, Now
from django.utils import timezone

from chat import kinds
from chat.encoding import SHOWN, event_row, event_rows, log_event, with_targets
from chat.models import Event
from chat.quotes import with_quotes
from core.limits import LIMITS
from db import database, replica
from db.queries import Prepared
from realtime.publish import Head, LogEvent, RoomRef
from rooms.models import Room

# A page stays below what common WebSocket clients accept in one frame (1 MiB), for any texts.
PAGE_BYTES = 400_000


async def events(spans: Mapping[int, tuple[int, int]]) -> dict[int, list[LogEvent]]:
    """Return each room's events in its span, oldest first, from one query.

    A span (after, last) has the events above `after`, up to and including `last`. All rooms together get about PAGE_BYTES.
    """
    return await database.run(_events_in_spans, spans)


async def heads(rooms: list[int]) -> dict[int, Head]:
    """The head of each room, in one query."""
    return await database.run(lambda: _heads(Room.objects.filter(id__in=rooms)))


async def heads_moved(since: datetime) -> dict[int, Head]:
    """The head of every room whose last event is not older than `since`, in one query.

    The database's clock decides how long ago that is: those of the processes that write and ask may differ.
    """
    begin = Now() - (timezone.now() - since)
    return await database.run(lambda: _heads(Room.objects.filter(Q(last_at__gte=begin) | Q(amended_at__gte=begin))))


def _heads(rooms: QuerySet[Room]) -> dict[int, Head]:
    return {room: Head(head, uncounted) for room, head, uncounted in rooms.values_list("id", "head", "uncounted")}


def uncounted_at(room: Room, seq: int) -> int:
    """How many events up to `seq` do not count as unread."""
    if seq == room.head:
        return room.uncounted
    return _events(room.id).filter(seq=seq).values_list("uncounted", flat=True).first() or 0


def resume_page(room: RoomRef, after: int, head: int, most: int = LIMITS.page_events) -> tuple[list[LogEvent], bool]:
    """(at most `most` events above `after` and up to `head`, whether more follow).

    Without more, the page ends at `head`.
    """
    events = _events_in_spans({room.id: (after, min(head, after + most))}).get(room.id, [])
    return events, bool(events) and events[-1].seq < head


def latest_page(room: RoomRef, head: int, most: int = LIMITS.latest_messages) -> tuple[list[LogEvent], bool]:
    """Return the latest messages up to `head`, and whether older ones exist.

    The messages are in their present state.
    """
    return message_page(room, before=head + 1, after=None, limit=most)


def page_of(room: Room, *, before: int | None, after: int | None, limit: int) -> tuple[list[LogEvent], bool]:
    """Return a page as `message_page` does, from the replica if it is up to date.

    It is if it has all of the room that the primary had when `room` was read.
    """
    with replica.reading():
        if replica.alias() == replica.ALIAS:
            found = _heads(Room.objects.filter(id=room.id)).get(room.id)
            if found is None or found.seq < room.head:  # None: the room itself is yet to come
                raise replica.Lacking
        return message_page(room, before=before, after=after, limit=limit)


def message_page(room: Room | RoomRef, *, before: int | None, after: int | None, limit: int) -> tuple[list[LogEvent], bool]:
    """Return messages, oldest first, and whether there are more in that direction.

    The direction is forward with `after`, backward otherwise. The messages are in their present state.
    """
    messages = _events(room.id).filter(kind__in=kinds.KINDS.listed())
    if after is not None:
        messages = messages.filter(seq__gt=after)
    if before is not None:
        messages = messages.filter(seq__lt=before)
    forward = after is not None
    rows = list(event_rows(messages.order_by("seq" if forward else "-seq"))[: limit + 1])
    listed = with_quotes((room.id, event_row(*row)) for row in rows[:limit])
    events, more = _fit_page([log_event(row, room.slug) for _, row in listed])
    return (events if forward else events[::-1]), more or len(rows) > limit


def encode_for(user: int, events: list[LogEvent]) -> list[msgspec.Raw]:
    """The frames as this person sees them: their own carry `key`."""
    return [msgspec.Raw((event.for_author() if event.author == user else event.text).encode()) for event in events]


class Size(Func):
    """A text's size as the database knows it without unpacking the text.

    The unit is bytes on Postgres, characters elsewhere.
    """

    function = "octet_length"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return Length(*self.source_expressions).as_sql(compiler, connection, **context)


def _rows_in_spans(numbers: Sequence[int]) -> QuerySet[Any, Any]:
    """Return the events of several rooms that may fit into a page.

    `numbers` holds the page's size, then for each room its id, `after` and `last`: the events above `after`, up to `last`.
    Rows that cannot fit are not read: a page holds only a few large texts, and readers come back by the hundred.
    """
    spans = zip(numbers[1::3], numbers[2::3], numbers[3::3], strict=True)
    wanted = reduce(or_, (Q(room_id=room, seq__gt=after, seq__lte=last) for room, after, last in spans))
    before = Window(Sum(Size(SHOWN)), order_by=("room_id", "seq"), frame=RowRange(None, -1))
    fitting = Event.objects.filter(wanted).annotate(before=before).filter(Q(before__isnull=True) | Q(before__lt=numbers[0]))
    return event_rows(fitting.order_by("room_id", "seq"), "room_id", "room__slug")


_READ_SPANS = Prepared(Event, _rows_in_spans)


def _events_in_spans(spans: Mapping[int, tuple[int, int]]) -> dict[int, list[LogEvent]]:
    rows = _READ_SPANS([PAGE_BYTES, *(number for room, span in spans.items() for number in (room, *span))])
    found: dict[int, list[LogEvent]] = {}
    slugs = {}
    events = []
    for room, slug, *columns in rows:
        slugs[room] = slug
        events.append((room, event_row(*columns)))
    read = [(room, log_event(row, slugs[room])) for room, row in with_quotes(with_targets(events))]
    for (room, _), event in zip(read, _fit_page([event for _, event in read])[0], strict=False):
        found.setdefault(room, []).append(event)
    return found


def _events(room: int) -> QuerySet[Event]:
    return Event.objects.filter(room_id=room)


def _fit_page(events: list[LogEvent]) -> tuple[list[LogEvent], bool]:
    """As many as fit into PAGE_BYTES, at least one, and whether some did not."""
    size = 0
    for index, event in enumerate(events):
        size += len(event.text.encode())
        if index and size > PAGE_BYTES:
            return events[:index], True
    return events, False
