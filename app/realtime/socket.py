"""One authenticated socket: what dialects and frame handlers are given.

Here are its rooms.

realtime/connection.py has its send side, realtime/session.py its frames.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from core.errors import BadFrame, Close, NotAMember
from db import installation
from db.database import DatabaseUnavailable
from realtime.events import FrameId, Page, RoomRef, encode, folded
from realtime.live_room import LiveRoom, batch_for, gap
from realtime.session import Session


class Socket(Session):
    __slots__ = ()

    def joined(self, slug: str) -> LiveRoom:
        """Return the room joined on this socket.

        Raises NotAMember.
        """
        room = self.find_joined(slug)
        if room is None:
            raise NotAMember(f"{slug[:64]} is not joined on this socket")
        return room

    def find_joined(self, slug: str) -> LiveRoom | None:
        """Return the room joined on this socket.

        None also if the slug is not in its stored form.
        """
        return self.rooms.get(folded(slug))

    def find_known(self, slug: str) -> RoomRef | None:
        """Return a room of this person's, if this process knows of the membership.

        Else ask the database.
        """
        return self.local.rooms.get(folded(slug)) if self.local else None

    async def join(self, ref: RoomRef, re: FrameId, read: Callable[[], Awaitable[Page]]) -> None:
        """Subscribe to a room and reply `room.joined`, without losing or repeating events."""
        room = await self.hub.opener.open(ref)
        again = self.hub.registry.detach(self, room)
        if self in room.joining:
            raise BadFrame("a join of this room is under way on this socket")
        room.joining[self] = []  # before any wait: a room without sockets forgets its people
        try:
            await self.hub.presence.open(room)
            page = await read()
        except BaseException:
            if again:  # the earlier subscription has ended: tell the client
                self.push(gap(ref, room.last_seq))
            raise
        finally:
            held = room.joining.pop(self, None)
            room.mark_used()
        if self.closed:
            return
        # Nothing waits from here to the end: an event that arrives now follows the reply.
        live = page.complete and held is not None
        if live:
            self.hub.attach(self, room, page.head)
        self.push(self._joined(room, page, re))
        if live and held:
            self.push_batch(batch_for(ref, self, [event for event in held if event.seq > page.head]))
        elif page.complete and not live:
            self.push(gap(ref, room.last_seq))
        if live:
            self.hub.live.joined(self, room)

    def _joined(self, room: LiveRoom, page: Page, re: FrameId) -> str:
        events = batch_for(room.ref, self, page.events).texts
        online_count, online, away = self.hub.presence.snapshot(room, self)
        return encode(
            {
                "type": "room.joined",
                "re": re,
                "room": room.ref.slug,
                "head": page.head,
                "events": [msgspec.Raw(event.encode()) for event in events],
                "more": page.more,
                "member_count": page.member_count,
                "online_count": online_count,
                "online": online,
                "away": away,
                "epoch": installation.known_epoch(),
            }
        )

    def leave(self, slug: str) -> None:
        """End this socket's subscription.

        Raises NotAMember if the room is not joined here.
        """
        self.hub.registry.detach(self, self.joined(slug))

    async def attach(self, refs: list[RoomRef]) -> None:
        """Push live events from now on: for dialects without history."""
        rooms = await self.hub.opener.open_many(refs)
        ended = self.hub.registry.ended.get(self, ())
        for room in rooms:
            if room.ref.id in ended:
                self.removed_from(room.ref)
            elif not self.closed and room.ref.slug not in self.rooms:
                self.hub.attach(self, room, room.last_seq)
            room.mark_used()

    def send_live_values(self, slug: str) -> None:
        """Send the kept live values of a joined room: for dialects without a join."""
        room = self.rooms.get(slug)
        if room is not None:
            self.hub.live.joined(self, room)

    def attach_soon(self, ref: RoomRef, after: int) -> None:
        self.hub.spawn(self._attach_from(ref, after))

    async def _attach_from(self, ref: RoomRef, after: int) -> None:
        try:
            await self.hub.attach_from(self, ref, after)
        except DatabaseUnavailable:
            # Without history there is no resume: the client reconnects and starts anew.
            self.close_soon(Close.RESTART, "the database is away")
