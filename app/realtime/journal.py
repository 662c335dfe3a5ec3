"""Read the journal (app/changes) and update the local sockets.

This covers every change that is no event of a log.

The database notes each write, by any program. A signal through the layer makes each process read at once. Without it the
poll reads, so that a lost signal, another process or an SQL prompt costs a few seconds. Acting compares the database's
current rows with the state already announced by this process, and may therefore be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from itertools import islice
from typing import Any

import structlog

from core import metrics
from core.errors import Close
from db.database import DatabaseUnavailable
from realtime import tell
from realtime.events import JournalRow, News, Person, Revoked, RoomRef, State
from realtime.memberships import Memberships
from realtime.ports import domains
from realtime.presence.sync import Presence
from realtime.registry import Registry
from realtime.revocations import Revocations
from realtime.subscriber import Subscriber
from realtime.switches import Switches

logger = structlog.get_logger(__name__)

# Group of every process: a `changes` message makes its members read at once.
GROUP = "changes"
# Rows in one read; a full read may have left some out.
FULL = 5_000
# Longer than any transaction: until then a missing id may still appear.
GAP_S = 600.0
GAPS = 10_000
# Longer than a handshake takes from checking its credential to registering its socket.
RECENT_S = 60.0
EXPIRY_OVERLAP_S = 5.0
# A process without a read for so long may have missed rows: they are kept for a day (changes/journal.py).
AWAY_S = 23 * 3_600.0
# Sockets closed before the event loop runs other tasks.
SLICE = 2_000
# Signals within this pause share a read.
NUDGE_PAUSE_S = 0.1


class Place:
    """Position in a table with ascending ids.

    It covers all ids up to `high`, except those of open transactions.
    """

    def __init__(self) -> None:
        self.high: int | None = None
        self.gaps: dict[int, float] = {}

    def asked(self) -> tuple[int, list[int]] | None:
        return None if self.high is None else (self.high, list(self.gaps))

    def move(self, rows: Iterable[JournalRow]) -> None:
        now = time.monotonic()
        while self.gaps and next(iter(self.gaps.values())) < now - GAP_S:
            del self.gaps[next(iter(self.gaps))]
        for row in rows:
            if self.high is not None and row.id > self.high + 1:
                self.gaps.update(dict.fromkeys(range(max(self.high + 1, row.id - GAPS), row.id), now))
            self.gaps.pop(row.id, None)
            self.high = max(self.high or 0, row.id)
        self.high = self.high or 0
        for oldest in list(islice(self.gaps, max(0, len(self.gaps) - GAPS))):
            del self.gaps[oldest]


class Journal:
    def __init__(
        self,
        registry: Registry,
        presence: Presence,
        memberships: Memberships,
        revocations: Revocations,
        switches: Switches,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._registry, self._presence, self._memberships = registry, presence, memberships
        self._revocations, self._switches, self._spawn = revocations, switches, spawn
        self._changes, self._members = Place(), Place()
        self._read_at = _now()
        self._nudged = asyncio.Event()
        self._nudged.set()
        self._one = asyncio.Lock()
        # Credentials that ended and people that changed lately, oldest first: a handshake may have read them just before.
        self._ended: dict[str, float] = {}
        # People whose check failed with the database.
        self._unchecked: set[int] = set()
        self._changed: dict[int, float] = {}

    def soon(self) -> None:
        """Schedule a read."""
        self._nudged.set()

    async def tick(self) -> None:
        """Read once for all signals that arrived, after a short pause."""
        await self._nudged.wait()
        self._nudged.clear()
        with contextlib.suppress(DatabaseUnavailable):
            await self.read()
        await asyncio.sleep(NUDGE_PAUSE_S * random.uniform(0.5, 1))  # noqa: S311

    async def read(self) -> None:
        """Act on all new rows.

        Raises DatabaseUnavailable; the next read repeats the remaining rows.
        """
        async with self._one:
            away_s = _now() - self._read_at
            more = True
            while more:
                begun = _now()
                news = await domains().journal(
                    self._changes.asked(), self._members.asked(), begun - self._read_at + EXPIRY_OVERLAP_S
                )
                await self._act_safely(news if self._members.high is not None else news._replace(added=[]))
                self._changes.move(news.rows)
                self._members.move(news.added)
                self._read_at = begun
                more = max(len(news.rows), len(news.added)) >= FULL
            if away_s > AWAY_S:
                await self._reconnect_all(away_s)
            for user in list(self._unchecked):
                self._unchecked.discard(user)
                await self._check_person(user)
        self._forget()

    async def _reconnect_all(self, away_s: float) -> None:
        """Make every client connect anew: what changed meanwhile is not known."""
        logger.warning("the journal was not read for too long, so all sockets are closed", seconds=round(away_s))
        for index, socket in enumerate(self._registry.sockets(), 1):
            socket.close_soon(Close.RESTART, "changes were missed")
            if index % SLICE == 0:
                await asyncio.sleep(0)

    def check_new(self, socket: Subscriber) -> None:
        """Act on recent changes that came before this socket was registered."""
        if socket.credential_name in self._ended:
            tell.sign_out(socket)
        elif socket.user.id in self._changed:
            self._spawn(self._check_person(socket.user.id))

    async def _check_person(self, user: int) -> None:
        try:
            self._act_on_people({user}, await domains().state({user}, set(), set(), set()))
        except DatabaseUnavailable:
            self._unchecked.add(user)

    async def _act_safely(self, news: News) -> None:
        """Act on one change; its failure must not hold back the changes after it."""
        try:
            await self._act(news)
        except DatabaseUnavailable:
            raise
        except Exception:
            logger.exception("changes could not be acted on", first=news.rows[:1], number=len(news.rows))

    async def _act(self, news: News) -> None:
        people = self._registry.people
        by_kind: dict[str, list[JournalRow]] = {}
        for row in news.rows:
            by_kind.setdefault(row.kind, []).append(row)
        for kind, rows in by_kind.items():
            metrics.CHANGES.labels(kind).inc(len(rows))
        if "feature" in by_kind or not self._switches.known:
            await self._switches.read()
        for user in {row.user for row in by_kind.get("block", ())}:
            if (local := people.get(user)) is not None:
                tell.blocks_updated(local)
        await self._end([*(row.detail for row in by_kind.get("ended", ())), *news.expired])
        changed = {row.user for kind in ("access", "name") for row in by_kind.get(kind, ())}
        renamed = {row.user for row in by_kind.get("name", ())}
        self._changed.update(dict.fromkeys(changed, time.monotonic()))
        rooms = {row.room for row in by_kind.get("room", ())} & self._registry.rooms.keys()
        shows = self._presence.shows
        ends = [row for row in news.rows if row.kind in {"left", "member"}]
        left = [row for row in ends if row.user in people or shows(row.user, row.room)]
        added = [row for row in news.added if (local := people.get(row.user)) and row.room not in local.last_read]
        if changed or rooms or left or added:
            state = await domains().state(
                (changed & people.keys()) | renamed,
                renamed,
                rooms | {row.room for row in (*left, *added)},
                {(row.room, row.user) for row in (*left, *added)},
            )
            await self._act_on(state, changed, rooms, left, added)
        for row in by_kind.get("deleted", ()):
            self._end_room(RoomRef(row.room, row.detail, direct=False))

    async def _act_on(
        self, state: State, changed: set[int], rooms: set[int], left: list[JournalRow], added: list[JournalRow]
    ) -> None:
        self._act_on_people(changed, state)
        for user, common in state.rooms_of.items():
            if user in state.people:
                person = Person(user, state.people[user].name)
                self._presence.renamed(person)
                await tell.user_updated(self._registry, person, common)
        for room_id in rooms & state.rooms.keys():
            found = state.rooms[room_id]
            if (room := self._registry.rooms.get(room_id)) is not None:
                await tell.room_updated(room, found.details)
        for row in left:
            if (row.room, row.user) not in state.members:
                known = state.rooms.get(row.room)
                reason = ("left" if row.kind == "left" else "removed") if known else "deleted"
                self._leave(row.user, known.ref if known else RoomRef(row.room, row.detail, direct=False), reason)
        for row in added:
            local, now = self._registry.people.get(row.user), state.rooms.get(row.room)
            if local and now and (row.room, row.user) in state.members and row.room not in local.last_read:
                last_read_seq, uncounted = map(int, row.detail.split())
                fields = {"room": list(now.ref), "details": now.details, "head": now.head}
                fields |= {"upto": last_read_seq, "uncounted": uncounted}
                self._memberships.add(local, fields)

    def _act_on_people(self, users: set[int], state: State) -> None:
        for user in users:
            local, now = self._registry.people.get(user), state.people.get(user)
            for socket in list(local.sockets) if local else ():
                if now is None or not now.active or socket.is_older_than(now.mark):
                    tell.sign_out(socket)
            if local and now:
                tell.rename(local, now.name)

    async def _end(self, names: list[str]) -> None:
        """Close the sockets of credentials that ended, in slices."""
        new = set(names) - self._ended.keys()
        if not new:
            return
        self._ended.update(dict.fromkeys(new, time.monotonic()))
        for index, local in enumerate(list(self._registry.people.values()), 1):
            for socket in list(local.sockets):
                if socket.credential_name in new:
                    tell.sign_out(socket)
            if index % 2_000 == 0:
                await asyncio.sleep(0)

    def _leave(self, user: int, room: RoomRef, reason: str) -> None:
        local = self._registry.people.get(user)
        if local is not None:
            self._revocations.act(local, Revoked(user, room=room, reason=reason), polled=True)
        else:
            self._presence.not_a_member(user, room.id)

    def _end_room(self, ref: RoomRef) -> None:
        room = self._registry.rooms.get(ref.id)
        if room is None:
            return
        joined = {socket.local for sockets in room.sockets.values() for socket in sockets if socket.local}
        for local in room.watchers | joined:
            self._revocations.act(local, Revoked(local.person.id, room=room.ref, reason="deleted"))

    def _forget(self) -> None:
        before = time.monotonic() - RECENT_S
        self._ended = {name: at for name, at in self._ended.items() if at > before}
        self._changed = {user: at for user, at in self._changed.items() if at > before}


def _now() -> float:
    """Return seconds of a clock that goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
