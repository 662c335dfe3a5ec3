"""The rooms whose news a person's sockets are sent.

They are read at the person's first socket, then changed one by one.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from db.database import DatabaseUnavailable
from realtime.events import RoomRef, encode
from realtime.live_room import LiveRoom, unread
from realtime.local_users import ROOMS_READ_EVERY_S, LocalUser
from realtime.ports import domains
from realtime.presence.sync import Presence
from realtime.registry import Registry
from realtime.room_opener import RoomOpener
from realtime.send_queue import Batch
from realtime.subscriber import Subscriber

logger = structlog.get_logger(__name__)

# Pauses between two attempts to read a person's rooms; they are shown online after that.
WATCH_AGAIN_S = (0.4, 3.0)
PAGE = 200
# A message is stamped before its commit, so one up to this much older than a socket may be new to it.
COMMIT_S = 1.0


class Memberships:
    def __init__(
        self,
        registry: Registry,
        opener: RoomOpener,
        presence: Presence,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._registry, self._opener, self._presence, self._spawn = registry, opener, presence, spawn

    async def watch(self, local: LocalUser, begun: float) -> None:
        """Bring a person online and send them the news of their rooms since `begun`.

        `begun` is a time of time.monotonic. Retry until it succeeds: nothing else does it.
        """
        # Whoever comes and goes would have them read each time, and others' look-ups would wait behind that.
        await asyncio.sleep(local.rooms_read_at + ROOMS_READ_EVERY_S - begun)
        pause = WATCH_AGAIN_S[0]
        while local.sockets:
            local.rooms_read_at = time.monotonic()
            try:
                await self._read(local, begun)
            except DatabaseUnavailable:
                pass
            except Exception:
                logger.exception("the rooms of a person could not be read", user=local.person.id)
            else:
                return
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
            pause = min(2 * pause, WATCH_AGAIN_S[1])

    async def _read(self, local: LocalUser, begun: float) -> None:
        local.left_meanwhile = set()
        try:
            memberships = await domains().memberships(local.person.id)
            memberships = [one for one in memberships if one.room.id not in local.left_meanwhile]
        finally:
            local.left_meanwhile = None
        if not local.sockets:
            return
        for one in memberships:
            local.add_room(one.room, one.last_read_seq, one.uncounted)
        self._presence.watched(local)
        since_s = time.monotonic() - begun + COMMIT_S
        rooms = await self._opener.open_many([one.room for one in memberships])
        # Behind the opening of the rooms: what comes later is delivered.
        mentions = await domains().mentions(local.person.id)
        for room, one in zip(rooms, memberships, strict=True):
            self._add_watcher(room, local)
            local.add_mentions(room.ref.id, mentions.get(room.ref.id, ()))
            # Messages since the first socket came; its client may have asked for its list of rooms before them.
            if room.last_seq > one.head or (one.quiet_s is not None and one.quiet_s < since_s):
                self._push_unread(room, local)

    @staticmethod
    def _push_unread(room: LiveRoom, local: LocalUser) -> None:
        if local in room.watchers and local.unread(room.ref.id, room.head):
            local.push_unjoined(room.ref.slug, Batch([unread(room.ref, room.head, local)]))

    def add(self, local: LocalUser, message: dict[str, Any], but_for: Subscriber | None = None) -> None:
        """Act on a new membership; the socket that made it needs no frame."""
        ref = RoomRef(*message["room"])
        if "details" in message:  # the previous release does not send them
            fields = {**message["details"], "head": message["head"], "upto": message["upto"]}
            frame = encode({"type": "room.added", "room": ref.slug, **fields})
            local.push_unjoined(ref.slug, Batch([frame]), but_for=but_for)
        uncounted = message.get("uncounted", 0)  # the release before does not say it
        local.add_room(ref, message["upto"], uncounted)
        self._presence.entered(local, ref.id)
        self._spawn(self._watch_new(local, ref, message["upto"]))
        for socket in local.sockets:
            socket.dialect.member_of(ref, message["upto"])

    async def _watch_new(self, local: LocalUser, ref: RoomRef, last_read_seq: int) -> None:
        """Watch a room that the person has just joined: later messages are unread."""
        while local.sockets and ref.id in local.last_read:
            try:
                room = await self._opener.open(ref)
            except DatabaseUnavailable:
                await asyncio.sleep(random.uniform(1, 3))  # noqa: S311
                continue
            self._add_watcher(room, local)
            if room.last_seq > last_read_seq:
                self._registry.note_unread(room)
                await self._hand_on_missed(room, local, last_read_seq)
            return

    async def _hand_on_missed(self, room: LiveRoom, local: LocalUser, after: int) -> None:
        """Report to features the events from before the room was watched for the person.

        A new room's first message is such an event.
        """
        if not self._registry.listeners.watch:
            return
        with contextlib.suppress(DatabaseUnavailable):
            missed = await domains().LOG.events({room.ref.id: (after, min(room.last_seq, after + PAGE))})
            self._registry.listeners.watched(room.ref, missed.get(room.ref.id, []), {local})

    def _add_watcher(self, room: LiveRoom, local: LocalUser) -> None:
        """Send the room's news to the person, unless they have gone or left it meanwhile."""
        if local.sockets and room.ref.id in local.last_read:
            room.watchers.add(local)
            self._presence.watches(local, room)
        room.mark_used()
