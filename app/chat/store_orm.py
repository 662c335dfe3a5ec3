"""A group commit through the ORM, for any database that Django knows.

The embedded run uses it with SQLite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, cast

from django.db import DataError, IntegrityError, transaction
from django.db.models import Case, F, Field, Q, When
from django.db.models.functions import Now
from django.utils import timezone

from chat.batch import CannotStore, Identity, PendingEvent, Result, dedupe_by_key
from chat.encoding import EventRow, event_row, event_rows, with_targets
from chat.models import Due, Event
from chat.numbering import Found, NewEvent, Place, Plan, RoomState, plan
from chat.results import results
from db import database
from rooms import access
from rooms.models import Membership, Mention, Room


class OrmStore:
    async def store(self, batch: Sequence[PendingEvent]) -> list[Result]:
        """Store a batch in one transaction.

        Raises DatabaseUnavailable when the outcome is unknown, CannotStore when a row is at fault and nothing is stored.
        """
        try:
            return await database.run(_store, batch)
        except (DataError, IntegrityError, ValueError, OverflowError) as error:
            raise CannotStore(transient=_is_double(error)) from error

    async def close(self) -> None:
        """Nothing is held between batches."""


def _is_double(error: Exception) -> bool:
    """Return whether the error is a seq or key that is there already.

    The plan rules that out: the room's row is wrong, not the message.
    """
    cause = error.__cause__
    return "UNIQUE" in getattr(cause, "sqlite_errorname", "") or getattr(cause, "sqlstate", None) == "23505"


def _store(batch: Sequence[PendingEvent]) -> list[Result]:
    """One transaction.

    Runs in a database thread.
    """
    asked = dedupe_by_key(batch)
    with transaction.atomic():
        # In the order of the ids, so that two processes never wait for each other.
        ids = sorted({append.room.id for append in batch})
        locked = Room.objects.select_for_update().filter(id__in=ids).order_by("id").values_list("id", "head", "uncounted")
        rooms = {room: RoomState(head, uncounted) for room, head, uncounted in locked}
        known = _known(batch)  # what others had stored before they let go of the rooms, too
        roles = access.writer_roles((room, author) for room, author, _ in asked)
        now = timezone.now()
        made = plan(asked, Found(rooms, roles, known, _targets(asked.values())), now)
        Event.objects.bulk_create(_model(event, now) for event in made.new)
        for place, row in made.changed.items():
            _change(place, row)
        _set_mentions(made)
        for place, at in made.due.items():
            _set_due(place, at)
        _move({room: state for room, state in rooms.items() if state.moved})
    return results(batch, made.seqs, known, now, made)


def _known(batch: Sequence[PendingEvent]) -> dict[Identity, EventRow]:
    rows = Event.objects.filter(
        room_id__in={append.room.id for append in batch},
        author_id__in={append.author for append in batch},
        key__in={append.key for append in batch},
    )
    found = with_targets((room, event_row(*columns)) for room, *columns in event_rows(rows, "room_id"))
    return {(room, row.author, row.key): row for room, row in found}


def _targets(asked: Iterable[PendingEvent]) -> dict[Place, EventRow]:
    places = {(append.room.id, append.target) for append in asked if append.target is not None}
    if not places:
        return {}
    wanted = reduce(or_, (Q(room_id=room, seq=seq) for room, seq in places))
    found = ((room, event_row(*columns)) for room, *columns in event_rows(Event.objects.filter(wanted), "room_id"))
    return {(room, row.seq): row for room, row in found}


def _change(place: Place, row: EventRow) -> None:
    state = {"text": row.text, "edited": row.edited, "deleted": row.deleted, "reactions": row.reactions, "data": row.data}
    Event.objects.filter(room_id=place[0], seq=place[1]).update(**state)


def _set_mentions(made: Plan) -> None:
    for room, seq, author, person in made.mentions():
        members = Membership.objects.filter(room_id=room).exclude(user_id=author)
        named = members.filter(user_id=person) if person else members
        rows = [Mention(room_id=room, user_id=user, seq=seq) for user in named.values_list("user_id", flat=True)]
        Mention.objects.bulk_create(rows, ignore_conflicts=True)
    for (room, seq), row in made.changed.items():
        if row.deleted:
            Mention.objects.filter(room_id=room, seq=seq).delete()


def _set_due(place: Place, at: datetime | None) -> None:
    if at is None:
        Due.objects.filter(room_id=place[0], seq=place[1]).delete()
    else:
        Due.objects.update_or_create(room_id=place[0], seq=place[1], defaults={"at": at})


def _move(moved: Mapping[int, RoomState]) -> None:
    if not moved:
        return
    counted = {room for room, state in moved.items() if state.counted}
    amended = {room: state.uncounted for room, state in moved.items() if state.amended}
    values: dict[str, Any] = {"head": _each("head", {room: state.head for room, state in moved.items()})}
    if counted:
        values["last_at"] = Now() if len(counted) == len(moved) else _each("last_at", dict.fromkeys(counted, Now()))
    if amended:
        values["uncounted"] = _each("uncounted", amended)
        values["amended_at"] = _each("amended_at", dict.fromkeys(amended, Now()))
    Room.objects.filter(id__in=moved).update(**values)


def _each(column: str, values: Mapping[int, Any]) -> Case:
    """The column's value in each room; the others keep theirs."""
    cases = (When(id=room, then=value) for room, value in values.items())
    return Case(*cases, default=F(column), output_field=cast("Field[Any, Any]", Room._meta.get_field(column)))


def _model(event: NewEvent, now: datetime) -> Event:
    append = event.append
    return Event(
        room_id=append.room.id,
        seq=event.seq,
        kind=append.kind,
        author_id=append.author,
        key=append.key,
        at=now,
        text=append.text if append.target is None else "",
        alias=append.alias,
        target=append.target,
        data=append.data,
        uncounted=event.uncounted,
    )
