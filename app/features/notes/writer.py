"""Stores the updates of notes, and pushes them once they are committed.

Updates of one note that arrive during a transaction share the next one: many editors cost few round trips.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import structlog
from prometheus_client import Counter, Histogram

from core import metrics
from core.errors import FrameRefused, Unavailable
from core.per_loop import PerLoop
from core.supervise import cancel_all
from db import database
from db.database import DatabaseUnavailable
from features.notes import services, tasks
from features.notes.models import Document
from features.notes.services import Incoming
from features.notes.versions import COMPACT_AFTER
from realtime import parts
from realtime.parts import Numbered
from realtime.publish import RoomRef
from realtime.socket import Socket

logger = structlog.get_logger(__name__)

BATCH = 200
BATCH_BYTES = 1_000_000
# Updates of one note that wait in this process.
QUEUE = 1_000
# Pause before a full note is compacted: each compaction merges the whole note.
FULL_PAUSE_S = 2.0
MSG_AWAY = "the database is away; the same update may be sent again"

UPDATES = Counter("hubbub_note_updates_total", "Updates of notes", ["outcome"])
STORE_SECONDS = Histogram("hubbub_note_store_seconds", "Time of one transaction that stores updates of a note")


@dataclass
class _Waiting:
    incoming: Incoming
    # Its socket does not need the push.
    socket: Socket | None
    done: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class NoteWriter:
    """One per event loop."""

    def __init__(self) -> None:
        self._queues: dict[tuple[RoomRef, int], list[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # The coming compactions of full notes, by room and seq.
        self._full: dict[tuple[int, int], asyncio.Task[None]] = {}

    def submit(self, room: RoomRef, seq: int, incoming: Incoming, socket: Socket | None = None) -> asyncio.Future[int]:
        """Queue an update; the result is its number, once it is stored and pushed.

        Raises Unavailable when the queue is full. The result may raise NotAMember, NoSuchTarget, BadFrame, TooLong or
        Unavailable (outcome unknown; the same update may be sent again).
        """
        key = (room, seq)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = []
            task = asyncio.get_running_loop().create_task(self._work(room, seq, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if len(queue) >= QUEUE:
            raise Unavailable("too many updates of this note wait; send it again")
        waiting = _Waiting(incoming, socket)
        queue.append(waiting)
        return waiting.done

    async def _work(self, room: RoomRef, seq: int, queue: list[_Waiting]) -> None:
        try:
            while queue:
                batch = _take(queue)
                await self._store(room, seq, batch)
        finally:
            del self._queues[room, seq]
            for one in queue:
                _resolve(one, Unavailable("this server is going away; send it again"))

    async def _store(self, room: RoomRef, seq: int, batch: list[_Waiting]) -> None:
        begun = time.perf_counter()
        results: list[int | FrameRefused]
        full = False
        try:
            results, full = await database.run(services.updates_store, room, seq, [one.incoming for one in batch])
        except DatabaseUnavailable:
            results = [Unavailable(MSG_AWAY)] * len(batch)
        except Exception as error:  # noqa: BLE001  # logged, but not its text: the database's quotes the row
            logger.error("updates of a note failed", room=room.slug, note=seq, **database.facts(error))  # noqa: TRY400
            results = [Unavailable("the update could not be stored now")] * len(batch)
        STORE_SECONDS.observe(time.perf_counter() - begun)
        stored = [(one, result) for one, result in zip(batch, results, strict=True) if isinstance(result, int) and result]
        UPDATES.labels("stored").inc(len(stored))
        UPDATES.labels("refused").inc(sum(isinstance(result, FrameRefused) for result in results))
        if stored:
            frames = [
                Numbered(number, services.push(room, seq, number, one.incoming.author, one.incoming.data))
                for one, number in stored
            ]
            try:
                parts.current().push(room, "note", seq, frames, but_for=[one.socket for one, _ in stored])
            except Exception:  # they are stored: their senders get the answer, and the poll reads them
                metrics.HANDLER_FAILURES.labels("note").inc()
                logger.exception("updates of a note could not be pushed", room=room.slug, note=seq)
        for one, result in zip(batch, results, strict=True):
            _resolve(one, result)
        if stored and stored[0][1] // COMPACT_AFTER != (stored[-1][1] + 1) // COMPACT_AFTER:
            await compact_soon(room, seq)
        elif full and (room.id, seq) not in self._full:
            self._full[room.id, seq] = asyncio.get_running_loop().create_task(self._make_room(room, seq))

    async def _make_room(self, room: RoomRef, seq: int) -> None:
        """Have a full note compacted after a pause, once for all its updates of that time."""
        try:
            await asyncio.sleep(FULL_PAUSE_S)
            await compact_soon(room, seq)
        finally:
            del self._full[room.id, seq]

    async def close(self) -> None:
        """Store the queues.

        At most as long as one call to the database each.
        """
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        await cancel_all(list(self._full.values()))  # the regular run compacts these notes


async def compact_soon(room: RoomRef, seq: int) -> None:
    """Ask the background worker to compact a note."""

    def enqueue() -> None:
        found = Document.objects.filter(room_id=room.id, seq=seq).values_list("id", flat=True).first()
        if found is not None:
            tasks.note_compact.enqueue(found)

    try:
        await database.run(enqueue)
    except DatabaseUnavailable:
        return  # the regular run finds it
    except Exception:
        logger.exception("a note's compaction could not be queued", room=room.slug, note=seq)


def _take(queue: list[_Waiting]) -> list[_Waiting]:
    size, number = 0, 0
    for one in queue[:BATCH]:
        size += len(one.incoming.data)
        if number and size > BATCH_BYTES:
            break
        number += 1
    batch = queue[:number]
    del queue[:number]
    return batch


def _resolve(waiting: _Waiting, result: int | FrameRefused) -> None:
    if waiting.done.done():
        return
    if isinstance(result, FrameRefused):
        waiting.done.set_exception(result)
    else:
        waiting.done.set_result(result)


writer = PerLoop(NoteWriter)
