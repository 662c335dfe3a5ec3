"""Whom to notify of a message, and in which way: one table.

Pure.

A notification has a reason, which depends on the person's level in the room (REASONS). Each way is silent in some situations
(SILENT).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum


class Level(StrEnum):
    """What a person wants to be told of in a room."""

    ALL = "all"
    MENTIONS = "mentions"
    NOTHING = "nothing"


class Reason(StrEnum):
    """The reason of a notification."""

    DIRECT = "direct"
    MENTION = "mention"
    ALL = "all"


class Way(StrEnum):
    # The frame `notify` to the person's sockets: an open page shows a notification and plays a sound.
    NOTIFY = "notify"
    # Web Push to the person's devices, whether a page is open or not.
    PUSH = "push"
    # The e-mail digest.
    MAIL = "mail"


class Fact(StrEnum):
    """A circumstance of one person and one message."""

    # The person wrote it, and no program in the person's name.
    OWN = "own"
    # The person has blocked its author.
    BLOCKED = "blocked"
    # It was deleted.
    DELETED = "deleted"
    # The person has read it, on any device: it is on screen there.
    READ = "read"
    # A device of the person has raised it, or has it on screen.
    CLAIMED = "claimed"
    # It is within the person's quiet hours.
    QUIET = "quiet"
    # The person does not use this way: no socket, no device, no confirmed address or no digest.
    UNUSED = "unused"


# Level → whether the room is direct → whether the message names the person → the reason; None: the person is not told.
REASONS: Mapping[Level, Mapping[bool, Mapping[bool, Reason | None]]] = {
    Level.ALL: {
        True: {True: Reason.DIRECT, False: Reason.DIRECT},
        False: {True: Reason.MENTION, False: Reason.ALL},
    },
    Level.MENTIONS: {
        True: {True: Reason.MENTION, False: None},
        False: {True: Reason.MENTION, False: None},
    },
    Level.NOTHING: {
        True: {True: None, False: None},
        False: {True: None, False: None},
    },
}

# Way → the circumstances under which it is silent. A message that Web Push or a digest has brought already is left out before it
# comes to them (missed.py).
SILENT: Mapping[Way, frozenset[Fact]] = {
    Way.NOTIFY: frozenset({Fact.OWN, Fact.BLOCKED, Fact.DELETED, Fact.READ, Fact.QUIET, Fact.UNUSED}),
    Way.PUSH: frozenset({Fact.OWN, Fact.BLOCKED, Fact.DELETED, Fact.READ, Fact.QUIET, Fact.UNUSED, Fact.CLAIMED}),
    # A shown notification may still be unread, and a digest disturbs no one.
    Way.MAIL: frozenset({Fact.OWN, Fact.BLOCKED, Fact.DELETED, Fact.READ, Fact.UNUSED}),
}

# The level of a room of which a person has set none, by whether it is direct.
DEFAULT: Mapping[bool, Level] = {True: Level.ALL, False: Level.MENTIONS}


def level_of(stored: str | None, *, direct: bool) -> Level:
    """Return a person's level in a room.

    A level unknown to this release counts as none.
    """
    try:
        return Level(stored) if stored is not None else DEFAULT[direct]
    except ValueError:
        return DEFAULT[direct]


def reason_for(level: Level, *, direct: bool, named: bool) -> Reason | None:
    """Return why a person would be told of a message; None for not at all."""
    return REASONS[level][direct][named]


def tells(way: Way, facts: Collection[Fact]) -> bool:
    """Say whether a way tells a person who has a reason, under these circumstances."""
    return SILENT[way].isdisjoint(facts)
