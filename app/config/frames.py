"""urls.py for the socket: frame type → handler, path → dialect, and what else realtime needs from the domains."""

from __future__ import annotations

import re
from datetime import datetime

import chat.frames
import realtime.protocol
import realtime.typing
from accounts import credentials
from accounts import services as accounts
from chat import history
from ops import database
from ops.lookup import Lookup
from realtime.dialects.infra import InfraDialect
from realtime.dialects.native import NativeDialect
from realtime.dialects.room import RoomDialect
from realtime.events import Revoked
from realtime.protocol import AtOnce, Handler
from realtime.wiring import Membership
from rooms import access, entering
from rooms import services as rooms

FRAMES: dict[str, Handler] = {
    "room.join": chat.frames.room_join,
    "room.leave": chat.frames.room_leave,
    "message.send": chat.frames.message_send,
    "history": chat.frames.history_page,
    "read": chat.frames.read,
    "typing": realtime.typing.typing,
    "ping": realtime.protocol.ping,
}

AT_ONCE: dict[str, AtOnce] = {"message.send": chat.frames.message_send_at_once}

UNPACED = frozenset({"message.send", "room.leave", "typing", "ping"})
"""Frames without LIMIT_CALLS_PER_S: they read nothing from the database, or have a limit of their own."""

DIALECTS = (
    (re.compile(r"/ws/?"), NativeDialect),
    (re.compile(r"/ws/chat(?:/(?P<room>[^/]+))?/?"), RoomDialect),
    (re.compile(r"/chat(?:/(?P<room>[^/]+))?/?"), RoomDialect),
    (re.compile(r"/infra/ws/?"), InfraDialect),
)

LOG = history
authenticate = credentials.authenticate
enter_room = entering.enter_first_use
set_alias = chat.frames.set_alias


_rooms = Lookup(access.rooms_of_all, pace_s=0.025)  # no handshake waits for it


async def memberships(user: int) -> list[Membership]:
    return [Membership(room, upto) for room, upto in await _rooms(user) or []]


async def revoked_since(moment: datetime) -> list[Revoked]:
    """Credentials and memberships that ended after `moment`."""
    return await database.run(lambda: accounts.revoked_since(moment) + rooms.removed_since(moment))
