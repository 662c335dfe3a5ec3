"""Reads for the choice of whom to notify.

Synchronous, in a database thread.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from features.notifications.models import Preferences, RoomLevel
from features.notifications.quiet import Quiet
from features.notifications.services import quiet_of
from features.notifications.table import Level
from rooms.models import Block, Room
from switches import reads as switches


class RoomRead(NamedTuple):
    title: str
    # The levels that differ from the default, by person.
    levels: dict[int, str]
    # The people who have the room at `all`.
    all: frozenset[int]


class PersonRead(NamedTuple):
    quiet: Quiet | None
    # The people whom this one has blocked.
    blocked: frozenset[int]


NAME = "notifications"
# Most rooms have no level: they share these.
_NONE: dict[int, str] = {}
_NOBODY: frozenset[int] = frozenset()
_ANYBODY = PersonRead(None, _NOBODY)


def is_off() -> bool:
    """Say whether an administrator has switched notifications off.

    The background worker has no hub that would know.
    """
    return NAME in switches.off()


def rooms(ids: Collection[int]) -> dict[int, RoomRead]:
    """Read rooms; a deleted one has no title."""
    titles = dict(Room.objects.filter(id__in=ids).values_list("id", "title"))
    levels: dict[int, dict[int, str]] = {}
    for room, user, level in RoomLevel.objects.filter(room_id__in=ids).values_list("room_id", "user_id", "level"):
        levels.setdefault(room, {})[user] = level
    return {room: _room(titles.get(room, ""), levels.get(room, _NONE)) for room in ids}


def _room(title: str, levels: dict[int, str]) -> RoomRead:
    return RoomRead(title, levels, frozenset(user for user, level in levels.items() if level == Level.ALL) or _NOBODY)


def people(ids: Collection[int]) -> dict[int, PersonRead]:
    """Read quiet hours and blocks; every person has an entry."""
    rows = Preferences.objects.filter(user_id__in=ids).exclude(quiet_zone="")
    quiet = {user: quiet_of(*hours) for user, *hours in rows.values_list("user_id", "quiet_from", "quiet_to", "quiet_zone")}
    blocked: dict[int, set[int]] = {}
    for user, other in Block.objects.filter(user_id__in=ids).values_list("user_id", "blocked_id"):
        blocked.setdefault(user, set()).add(other)
    return {
        user: PersonRead(quiet.get(user), frozenset(blocked.get(user, ()))) if user in quiet or user in blocked else _ANYBODY
        for user in ids
    }
