"""A group commit through the ORM: any database Django knows; SQLite in the embedded run."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import DataError, IntegrityError, transaction
from django.db.models import Case, Value, When
from django.db.models.functions import Now
from django.utils import timezone

from chat.batch import Append, CannotStore, Identity, Result, plan
from chat.models import Event
from chat.wire import COLUMNS, EventRow
from ops import database
from rooms import access
from rooms.models import Room


class OrmStore:
    async def store(self, batch: Sequence[Append]) -> list[Result]:
        """Raises DatabaseUnavailable when the outcome is unknown, CannotStore when a row is at fault and nothing is stored."""
        try:
            return await database.run(_store, batch)
        except (DataError, IntegrityError, ValueError, OverflowError) as error:
            raise CannotStore(passing=_is_double(error)) from error

    async def close(self) -> None:
        """Nothing is held between batches."""


def _is_double(error: Exception) -> bool:
    """A seq or key that is there already, which plan() rules out: the room's row is wrong, not the message."""
    cause = error.__cause__
    return "UNIQUE" in getattr(cause, "sqlite_errorname", "") or getattr(cause, "sqlstate", None) == "23505"


def _store(batch: Sequence[Append]) -> list[Result]:
    """One transaction. Runs in a database thread."""
    with transaction.atomic():
        # In the order of the ids, so that two processes never wait for each other.
        ids = sorted({append.room.id for append in batch})
        locked = Room.objects.select_for_update().filter(id__in=ids).order_by("id").values_list("id", "head")
        heads = dict(locked)
        members = access.members_among((append.room.id, append.author) for append in batch)
        now = timezone.now()
        todo = plan(batch, heads=heads, members=members, known=_known(batch), now=now)
        Event.objects.bulk_create(_model(room, row) for room, row in todo.new)
        if todo.heads:
            moved = Case(*(When(id=room, then=Value(head)) for room, head in todo.heads.items()))
            Room.objects.filter(id__in=todo.heads).update(head=moved, last_at=Now())
    return todo.results


def _known(batch: Sequence[Append]) -> dict[Identity, EventRow]:
    rows = Event.objects.filter(
        room_id__in={append.room.id for append in batch},
        author_id__in={append.author for append in batch},
        key__in={append.key for append in batch},
    ).values_list("room_id", *COLUMNS)
    found = ((room, EventRow(*columns)) for room, *columns in rows)
    return {(room, row.author, row.key): row for room, row in found}


def _model(room: int, row: EventRow) -> Event:
    return Event(
        room_id=room,
        seq=row.seq,
        kind=row.kind,
        author_id=row.author,
        key=row.key,
        at=row.at,
        text=row.text,
        alias=row.alias,
    )
