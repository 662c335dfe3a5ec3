"""Credentials and memberships that ended, brought by a signal or by the poll of the database.

Acting twice does no harm: what ended by name never comes back, a kind of credential ends only what was shown before,
and the poll leaves out people who are members again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from realtime.errors import Close
from realtime.events import Revoked, RoomRef, encode
from realtime.outbox import Batch
from realtime.people import LocalPerson
from realtime.wiring import domains

if TYPE_CHECKING:
    from realtime.hub import Hub

OVERLAP = timedelta(seconds=15)
"""A row is seen later than its time says: its transaction took a while, or the hosts' clocks differ."""


class Revocations:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._since = datetime.now(UTC)

    def act(self, local: LocalPerson, what: Revoked, *, polled: bool = False) -> None:
        if what.room is not None:
            if not polled or what.room.id in local.upto:  # the poll brings again what a signal has brought
                self._tell_left(local, what.room, what.reason)
            self._end_membership(local, what.room)
            return
        for socket in list(local.sockets):
            if what.hits(socket.credential, socket.opened_at):
                socket.close_soon(Close.REVOKED, "signed out or access revoked")

    async def poll(self) -> None:
        """Acts on what no signal brought. Raises DatabaseUnavailable."""
        asked = datetime.now(UTC)
        for what in await domains().revoked_since(self._since):
            local = self.hub.people.get(what.user)
            if local is not None:
                self.act(local, what, polled=True)
        self._since = asked - OVERLAP

    @staticmethod
    def _tell_left(local: LocalPerson, ref: RoomRef, reason: str) -> None:
        frame = Batch([encode({"type": "room.left", "room": ref.slug, "reason": reason})])
        for socket in list(local.sockets):
            if type(socket.dialect).signals:
                socket.push_batch(frame)

    def _end_membership(self, local: LocalPerson, ref: RoomRef) -> None:
        local.upto.pop(ref.id, None)
        local.rooms.pop(ref.slug, None)
        room = self.hub.rooms.get(ref.id)
        if room is None:
            return
        room.watchers.discard(local)
        for socket in local.sockets & set(room.holds):
            room.holds[socket] = None  # a join under way ends with `gap`, and the next one is refused
        for socket in list(local.sockets):
            if ref.slug in socket.rooms:
                self.hub.detach(socket, room)
                socket.removed_from(ref)
        room.touch()
