"""Act on credentials and memberships that ended.

Acting twice is harmless.
"""

from __future__ import annotations

from realtime import tell
from realtime.events import Revoked, RoomRef, credential_name, encode
from realtime.local_users import LocalUser
from realtime.open_parts import Parts
from realtime.presence.sync import Presence
from realtime.registry import Registry
from realtime.send_queue import Batch


class Revocations:
    def __init__(self, registry: Registry, presence: Presence, parts: Parts) -> None:
        self._registry, self._presence, self._parts = registry, presence, parts

    def act(self, local: LocalUser, what: Revoked, *, polled: bool = False) -> None:
        """Act on a revocation.

        `polled`: the journal repeats the signals, so send only news.
        """
        if what.room is not None:
            if not polled or what.room.id in local.last_read:
                self._tell_left(local, what.room, what.reason)
            self._end_membership(local, what.room)
            return
        name = credential_name(what.credential)
        for socket in list(local.sockets):
            if socket.credential_name == name:
                tell.sign_out(socket)

    @staticmethod
    def _tell_left(local: LocalUser, ref: RoomRef, reason: str) -> None:
        frame = Batch([encode({"type": "room.left", "room": ref.slug, "reason": reason})])
        for socket in list(local.sockets):
            if type(socket.dialect).signals:
                socket.push_batch(frame)

    def _end_membership(self, local: LocalUser, ref: RoomRef) -> None:
        local.forget_room(ref)
        self._presence.removed(local, ref.id)
        self._parts.left(local.sockets, ref.id)
        for socket in local.sockets & self._registry.ended.keys():
            self._registry.ended[socket].add(ref.id)
        room = self._registry.rooms.get(ref.id)
        if room is None:
            return
        room.watchers.discard(local)
        for socket in local.sockets & set(room.joining):
            room.joining[socket] = None  # a join under way ends with `gap`, and the next one is refused
        for socket in list(local.sockets):
            if ref.slug in socket.rooms:
                self._registry.detach(socket, room)
                socket.removed_from(ref)
        room.mark_used()
