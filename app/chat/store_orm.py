"""A group commit through the ORM: any database Django knows; SQLite in the embedded run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import DataError, IntegrityError, transaction
from django.db.models import Case, Value, When
from django.db.models.functions import Now
from django.utils import timezone

from chat.batch import Append, CannotStore, Identity, Result, Seqs, firsts, results
from chat.encoding import COLUMNS, EventRow
from chat.models import Event
from db import database
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
    """A seq or key that is there already, which numbered() rules out: the room's row is wrong, not the message."""
    cause = error.__cause__
    return "UNIQUE" in getattr(cause, "sqlite_errorname", "") or getattr(cause, "sqlstate", None) == "23505"


def _store(batch: Sequence[Append]) -> list[Result]:
    """One transaction. Runs in a database thread."""
    asked = firsts(batch)
    with transaction.atomic():
        # In the order of the ids, so that two processes never wait for each other.
        ids = sorted({append.room.id for append in batch})
        locked = dict(Room.objects.select_for_update().filter(id__in=ids).order_by("id").values_list("id", "head"))
        known = _known(batch)  # what others had stored before they let go of the rooms, too
        seqs, moved = numbered(asked, locked, known)
        now = timezone.now()
        Event.objects.bulk_create(_model(asked[identity], seq, now) for identity, seq in seqs.items() if seq > 0)
        if moved:
            heads = Case(*(When(id=room, then=Value(head)) for room, head in moved.items()))
            Room.objects.filter(id__in=moved).update(head=heads, last_at=Now())
    return results(batch, seqs, known, now)


def numbered(asked: Collection[Identity], heads: dict[int, int], known: dict[Identity, EventRow]) -> tuple[Seqs, dict[int, int]]:
    """Gives out the seqs above `heads`, whose rows the caller holds locked; also the new head of each room that got events."""
    members = access.writers_among((room, author) for room, author, _ in asked)
    seqs: Seqs = {}
    moved: dict[int, int] = {}
    for identity in asked:
        room, author, _ = identity
        if (room, author) not in members:
            seqs[identity] = 0
        elif identity in known:
            seqs[identity] = -known[identity].seq
        else:
            moved[room] = seqs[identity] = moved.get(room, heads[room]) + 1
    return seqs, moved


def _known(batch: Sequence[Append]) -> dict[Identity, EventRow]:
    rows = Event.objects.filter(
        room_id__in={append.room.id for append in batch},
        author_id__in={append.author for append in batch},
        key__in={append.key for append in batch},
    ).values_list("room_id", *COLUMNS)
    found = ((room, EventRow(*columns)) for room, *columns in rows)
    return {(room, row.author, row.key): row for room, row in found}


def _model(append: Append, seq: int, now: datetime) -> Event:
    return Event(
        room_id=append.room.id,
        seq=seq,
        author_id=append.author,
        key=append.key,
        at=now,
        text=append.text,
        alias=append.alias,
    )
