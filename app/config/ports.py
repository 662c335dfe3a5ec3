"""Provide realtime with its ports: dialects by path, and functions of the domains.

Features bring the frames.
"""

from __future__ import annotations

import re

import chat.frames
from accounts import credentials
from accounts import services as accounts
from accounts.people import people_now
from changes import journal as changes_journal
from changes.journal import Place
from chat import history, resends
from chat.kinds import KINDS
from core.features import installed
from db import database
from db.batch_loader import BatchLoader
from realtime.dialects.infra import InfraDialect
from realtime.dialects.native import NativeDialect
from realtime.dialects.room_lines import RoomDialect
from realtime.events import JournalRow, News, State
from realtime.ports import Membership
from rooms import access, join_flow
from switches.reads import off

# Frame type → its struct and handler.
FRAMES = installed().frames

DIALECTS = (
    (re.compile(r"/ws/?"), NativeDialect),
    (re.compile(r"/ws/chat(?:/(?P<room>[^/]+))?/?"), RoomDialect),
    (re.compile(r"/chat(?:/(?P<room>[^/]+))?/?"), RoomDialect),
    (re.compile(r"/infra/ws/?"), InfraDialect),
    *installed().every("dialects"),
)

LOG = history
authenticate = credentials.authenticate
enter_room = join_flow.enter_first_use
hide_kinds = KINDS.hide
set_alias = chat.frames.set_alias
stored_before = resends.stored_before


_rooms = BatchLoader(access.rooms_of_all, pace_s=0.025)  # no handshake waits for it


async def memberships(user: int) -> list[Membership]:
    return [Membership(*one) for one in await _rooms(user) or []]


_mentions = BatchLoader(access.mentions_of_all, pace_s=0.025)


async def mentions(user: int) -> dict[int, list[int]]:
    """Return the seqs of unread messages that name the person, by room."""
    return await _mentions(user) or {}


async def members_among(room_ids: list[int], users: list[int]) -> dict[int, set[int]]:
    """Return each room's members among `users`."""
    return await database.run(access.members_of, room_ids, users)


async def journal(changes: Place, members: Place, expired_s: float) -> News:
    """Read new journal rows, new memberships and the names of ended credentials."""

    def read() -> News:
        rows, added = changes_journal.read(changes), access.memberships_added(members)
        expired = changes_journal.expired_sessions(expired_s)
        return News([_named(row) for row in rows], added, [accounts.session_named(key) for key in expired])

    return await database.run(read)


async def features_off() -> frozenset[str]:
    """Return the names of the features that an administrator has switched off."""
    return await database.run(off)


def _named(row: JournalRow) -> JournalRow:
    if row.kind == "session":
        return row._replace(kind="ended", detail=accounts.session_named(row.detail))
    if row.kind == "token":
        return row._replace(kind="ended", detail=accounts.token_credential(int(row.detail)))
    return row


async def state(people: set[int], renamed: set[int], rooms: set[int], members: set[tuple[int, int]]) -> State:
    """Read the current rows of these people, rooms and members.

    `renamed` people with their rooms.
    """
    return await database.run(
        lambda: State(
            people_now(people) if people else {},
            access.room_ids_of(renamed) if renamed else {},
            access.rooms_now(rooms) if rooms else {},
            access.members_among(members) if members else set(),
        )
    )
