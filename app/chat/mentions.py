"""The people that `@name` in a message means.

They are looked up among the room's members when the message is sent.
"""

from __future__ import annotations

import asyncio
import functools
import re
from typing import NamedTuple

from accounts.names import EVERYBODY as ROOM
from accounts.names import key_of
from db.batch_loader import BatchLoader
from db.queries import Query
from rooms import access, counting
from rooms.models import Membership, Role

# Different names looked up in one message.
MOST = 20
# Readings of one name that are looked up.
MOST_READINGS = 8
# The id that stands for everybody in the room.
EVERYBODY = 0
# Members of a room in which anyone may name them all; above it only its owners.
LARGE_ROOM = 100
# Members that `@room` reaches at most: each has a row until they have read it.
MOST_MEMBERS = 1_000
_NAME = re.compile(r"(?<![\w@.+-])@([\w.+@-]{1,65})")
_SIGNS = ".+-_@"


def names_in(text: str) -> list[list[str]]:
    """Return the keys of each name, the longest reading first.

    `@ada.` may be Ada at the end of a sentence.
    """
    found: dict[str, list[str]] = {}
    for written in dict.fromkeys(_NAME.findall(text)):
        bare = len(written.rstrip(_SIGNS))
        lengths = range(len(written), max(bare, 1) - 1, -1)
        # Of a name before a long line of dots only the nearest readings and the one without any.
        keys = [key_of(written[:length]) for length in (*lengths[: MOST_READINGS - 1], *lengths[MOST_READINGS - 1 :][-1:])]
        found.setdefault(keys[0], keys)
        if len(found) == MOST:
            break
    return list(found.values())


class _Asked(NamedTuple):
    room: int
    # key_of a name.
    name: str


def _members_named(asked: list[_Asked]) -> Query[dict[_Asked, int]]:
    found: dict[_Asked, int] = yield functools.partial(_read_members, asked)
    return found


def _read_members(asked: list[_Asked]) -> dict[_Asked, int]:
    members = Membership.objects.filter(room_id__in={one.room for one in asked}, user__name_key__in={one.name for one in asked})
    return {_Asked(room, name): user for room, name, user in members.values_list("room_id", "user__name_key", "user_id")}


_member = BatchLoader(_members_named)


async def mentioned(room: int, author: int, text: str) -> list[int]:
    """Return the ids of the members named in a text, without its author.

    EVERYBODY is among them for `@room`.

    Raises DatabaseUnavailable and RateLimited.
    """
    names = names_in(text)
    readings = [_Asked(room, key) for keys in names for key in keys if key != ROOM]
    members = dict(zip(readings, await asyncio.gather(*(_member(one, owner=author) for one in readings)), strict=True))
    found: dict[int, None] = {}
    for keys in names:
        if ROOM in keys:
            if await _may_name_all((room, author), owner=author):
                found[EVERYBODY] = None
            continue
        user = next((one for key in keys if (one := members[_Asked(room, key)]) is not None), None)
        if user is not None and user != author:
            found[user] = None
    return list(found)


def _answer_all(pairs: list[tuple[int, int]]) -> Query[dict[tuple[int, int], bool]]:
    found: dict[tuple[int, int], bool] = yield functools.partial(_read_all, pairs)
    return found


def _read_all(pairs: list[tuple[int, int]]) -> dict[tuple[int, int], bool]:
    """Say of each (room, person) whether they may name everybody."""
    roles, counts = access.writer_roles(pairs), counting.member_counts({room for room, _ in pairs})
    return {pair: counts[pair[0]] <= (MOST_MEMBERS if role == Role.OWNER else LARGE_ROOM) for pair, role in roles.items()}


_may_name_all = BatchLoader(_answer_all)
