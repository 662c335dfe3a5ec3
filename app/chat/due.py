"""Acts on things when their time has come: a poll closes, a flag falls.

Every web process looks; the event's key makes it one.

The process that commits a thing's time sets a timer, too: on an idle machine it acts within milliseconds.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from django.utils import timezone

from chat import services
from chat.encoding import EventRow, event_row, event_rows
from chat.group_commit import writer
from chat.keys import ServerKey
from chat.kinds import KINDS, state_of
from chat.models import Due, Event
from core.errors import FrameRefused, Unavailable
from core.services import Service
from db import database
from realtime.publish import Person, RoomRef
from rooms import access
from rooms.models import Room

logger = structlog.get_logger(__name__)

EVERY_S = 2.0
MANY = 200
# A thing that cannot be acted on is left alone for so long: the oldest are read first, and it must not stop those behind it.
AGAIN = timedelta(minutes=1)
# The same where the outcome is unknown: mostly the database is away, and it is its turn once that is back.
AGAIN_UNKNOWN = timedelta(seconds=10)


class _Late(NamedTuple):
    room: RoomRef
    at: datetime
    row: EventRow


async def act() -> None:
    """Act on everything that is due.

    Raises DatabaseUnavailable.
    """
    for late in await database.run(_read_late):
        try:
            await _act_on(late)
        except Unavailable:
            await database.run(_postpone, late, AGAIN_UNKNOWN)
            return
        except Exception:
            logger.exception("a thing could not be acted on", room=late.room.slug, seq=late.row.seq, kind=late.row.kind)
            await database.run(_postpone, late)


async def _act_on(late: _Late) -> None:
    kind, author = KINDS.get(late.row.kind), Person(late.row.author, late.row.author_name)
    payload = kind.on_due(state_of(late.row), timezone.now()) if kind is not None and kind.on_due is not None else None
    if payload is None:
        await database.run(_postpone, late)
        return
    key = ServerKey("due", late.row.seq, int(late.at.timestamp() * 1000))
    try:
        stored = await services.event_append(
            room=late.room, author=author, key=key, payload=payload, target=late.row.seq, by_server=True
        )
    except FrameRefused as refusal:
        if isinstance(refusal, Unavailable):
            raise
        logger.warning("a thing refused its due event", room=late.room.slug, seq=late.row.seq, code=refusal.code)
        await database.run(_postpone, late)
        return
    if stored.duplicate:  # of another process, which has changed the time; or the key was taken, and the next time has another
        await database.run(_postpone, late)


def _read_late() -> list[_Late]:
    due = list(
        Due.objects.filter(at__lte=timezone.now(), room__closed=False).order_by("at").values_list("room_id", "seq", "at")[:MANY]
    )
    rooms = {room.id: access.to_ref(room) for room in Room.objects.filter(id__in={room for room, _, _ in due})}
    found = []
    for room, seq, at in due:
        columns = event_rows(Event.objects.filter(room_id=room, seq=seq)).first()
        if columns is not None:
            found.append(_Late(rooms[room], at, event_row(*columns)))
    return found


def _postpone(late: _Late, pause: timedelta = AGAIN) -> None:
    """Try it again later, unless its time has changed meanwhile."""
    Due.objects.filter(room_id=late.room.id, seq=late.row.seq, at=late.at).update(at=timezone.now() + pause)


class Timers(Service):
    """Wake this process for its own commits."""

    name = "due"

    def start(self) -> None:
        writer().on_due = self.note

    def __init__(self) -> None:
        self._wake: asyncio.TimerHandle | None = None
        self._at: float = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, at: datetime) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + max(0.0, (at - timezone.now()).total_seconds()) + 0.01
        if self._wake is None or due < self._at:
            if self._wake is not None:
                self._wake.cancel()
            self._at, self._wake = due, loop.call_at(due, self._begin)

    def _begin(self) -> None:
        self._wake = None
        task = asyncio.get_running_loop().create_task(act())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.warning("what is due waits for the database", error=str(error))
