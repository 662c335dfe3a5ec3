"""Repair rooms from the log: gaps in their order, last events lost by the layer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import structlog

from core import metrics
from core.errors import Close
from core.limits import LIMITS, Limits
from db.database import DatabaseUnavailable
from realtime.events import Head, LogEvent
from realtime.live_room import LiveRoom, gap
from realtime.ports import domains
from realtime.registry import Registry

logger = structlog.get_logger(__name__)

# The missing message is often only a moment late. After this time the log is read.
GAP_GRACE_S = 0.05
# A head's time is older than its commit. Heads with an even longer delay are found when they are read by name.
OVERLAP = timedelta(seconds=15)
# Heads compared before the event loop runs other tasks.
SLICE = 1_000


@dataclass(slots=True)
class Gap:
    """The missing events of a room: above its `last_seq`, up to `end`."""

    cause: str
    end: int
    due: float
    counted: bool = False


class Repair:
    def __init__(
        self,
        registry: Registry,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        limits: Limits = LIMITS,
    ) -> None:
        self._registry, self._spawn, self.limits = registry, spawn, limits
        # In reading order. One task reads them all, so that many gaps cannot crowd out other database calls.
        self._gaps: dict[LiveRoom, Gap] = {}
        self._task: asyncio.Task[None] | None = None
        # Rooms whose heads are still to be read by name in this round.
        self._unasked: list[LiveRoom] = []
        self._moved_since = datetime.now(UTC) - OVERLAP

    def note_gap(self, room: LiveRoom) -> None:
        """Note that a seq is missing before a received one."""
        self._soon(room, Gap("gap", max(room.pending), _now() + GAP_GRACE_S))

    def _soon(self, room: LiveRoom, gap: Gap) -> None:
        known = self._gaps.setdefault(room, gap)
        known.end = max(known.end, gap.end)
        if self._task is None or self._task.done():
            self._task = self._spawn(self._fill())

    # --- the poll

    async def poll_heads(self) -> None:
        """Find lost last events.

        Raises DatabaseUnavailable.

        One query reads the heads of all rooms of this process. With more than `heads_a_query` rooms, one query reads the rooms
        that moved since the last poll, and another the next `heads_a_query` rooms by name.
        """
        asked = datetime.now(UTC)
        if len(self._registry.rooms) > self.limits.heads_a_query:
            await self._compare(await domains().LOG.heads_moved(self._moved_since))
        delivered = {room.ref.id: room.last_seq for room in self._next_to_ask()}
        heads = await domains().LOG.heads(list(delivered))
        self._find_losses(heads, delivered)
        await self._compare(heads)
        self._moved_since = asked - OVERLAP

    def _next_to_ask(self) -> Iterable[LiveRoom]:
        if not self._unasked:
            self._unasked = list(self._registry.rooms.values())
        most = self.limits.heads_a_query
        some, self._unasked = self._unasked[:most], self._unasked[most:]
        return (room for room in some if room.opened.is_set())

    async def _compare(self, heads: dict[int, Head]) -> None:
        for index, (room_id, head) in enumerate(heads.items(), 1):
            room = self._registry.rooms.get(room_id)
            if room is not None and room.opened.is_set() and head.seq > room.last_seq:
                self._soon(room, Gap("poll", head.seq, _now() + GAP_GRACE_S))
            elif room is not None and head.seq == room.last_seq:
                room.uncounted = head.uncounted
            if index % SLICE == 0:
                await asyncio.sleep(0)

    def _find_losses(self, heads: dict[int, Head], delivered: dict[int, int]) -> None:
        """Find heads below the seq already delivered.

        The database lost commits, as in a failover to a late standby.

        New events will reuse the lost seqs, so no client may wait for events above them.
        """
        for room_id, last in delivered.items():
            room, head = self._registry.rooms.get(room_id), heads.get(room_id)
            if room is not None and head is not None and head.seq < last:
                metrics.LOG_WENT_BACK.inc()
                logger.error("the database lost events that were delivered", room=room.ref.slug, delivered=last, head=head.seq)
                room.go_back(head)
                self._send_back(room, head.seq, "the log went back")

    # --- the reads

    async def _fill(self) -> None:
        while self._gaps:
            wait_s = next(iter(self._gaps.values())).due - _now()
            if wait_s > 0:
                await asyncio.sleep(wait_s * random.uniform(1, 1.2))  # noqa: S311
            some = self._next()
            if some:
                await self._read(some)

    def _next(self) -> dict[LiveRoom, Gap]:
        """Return the gaps to read at once."""
        some: dict[LiveRoom, Gap] = {}
        now, events, limits = _now(), 0, self.limits
        for room in list(islice(self._gaps, 10 * limits.repair_rooms)):
            gap = self._gaps[room]
            if gap.due > now or events >= limits.repair_events or len(some) == limits.repair_rooms:
                break
            del self._gaps[room]
            lacking = gap.end - room.last_seq
            if lacking <= 0 or self._registry.rooms.get(room.ref.id) is not room:
                continue  # the event arrived, or the room is no longer used
            if not gap.counted:
                gap.counted = True
                metrics.REPAIRS.labels(gap.cause).inc()
            if lacking > limits.held_events:
                # The next poll says how many of these events do not count.
                room.skip_to(Head(gap.end, room.uncounted))
                self._send_back(room, gap.end, "too far behind")
                self.deliver(room, room.sequence([]))
                continue
            some[room] = gap
            events += lacking
        if some:
            room, gap = next(iter(some.items()))
            logger.info(
                "repairing rooms", number=len(some), room=room.ref.slug, cause=gap.cause, after=room.last_seq, last=gap.end
            )
        return some

    async def _read(self, some: dict[LiveRoom, Gap]) -> None:
        """Read all these rooms for all their sockets with one query."""
        most = self.limits.repair_events
        spans = {room.ref.id: (room.last_seq, min(gap.end, room.last_seq + most)) for room, gap in some.items()}
        try:
            found = await domains().LOG.events(spans)
        except DatabaseUnavailable:
            for room, gap in some.items():
                self._soon(room, gap)
            await asyncio.sleep(random.uniform(0.5, 2.0))  # noqa: S311
            return
        for room in some:
            if self._registry.rooms.get(room.ref.id) is room:
                self.deliver(room, room.sequence(found.get(room.ref.id, [])))
        more = any(room.last_seq > spans[room.ref.id][0] for room in some)
        for room, gap in some.items():
            if room.last_seq >= gap.end:
                continue
            if more:  # the page was full
                self._soon(room, gap)
            else:
                room.pending.clear()  # pending events lie above a seq that the database lacks

    def deliver(self, room: LiveRoom, events: list[LogEvent]) -> None:
        """Deliver events that are next in the room's order.

        After a failure some sockets may lack them: each client reads them by joining again.
        """
        try:
            self._registry.deliver(room, events)
        except Exception:
            metrics.HANDLER_FAILURES.labels("layer").inc()
            logger.exception("events could not be delivered", room=room.ref.slug, last=room.last_seq)
            self._send_back(room, room.last_seq, "its events could not be sent")

    def _send_back(self, room: LiveRoom, head: int, why: str) -> None:
        """Make each client read the missing events itself, by joining again."""
        sockets = [socket for members in room.sockets.values() for socket in members if type(socket.dialect).signals]
        self._registry.close_slow(room.push_signal(gap(room.ref, head)))
        for socket in sockets:
            self._registry.detach(socket, room)
        for socket in {socket for members in room.sockets.values() for socket in members}:
            socket.close_soon(Close.RESTART, why)  # a dialect without gaps: its client reconnects and reads on
        room.unread_due = True


def _now() -> float:
    return asyncio.get_running_loop().time()
