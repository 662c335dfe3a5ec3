"""The plan of one group commit's writes.

It is made under the locks of the commit's rooms, apart from the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import structlog

from chat import kinds
from chat.batch import Identity, PendingEvent
from chat.encoding import Amended, EventRow
from core.errors import FrameRefused, NoSuchTarget
from core.features import Context, EventKind
from core.words import words as _
from rooms.models import Role

logger = structlog.get_logger(__name__)

# An event: (room, seq).
Place = tuple[int, int]


class NewEvent(NamedTuple):
    append: PendingEvent
    seq: int
    # How many events of the room do not count, up to and including this one.
    uncounted: int


@dataclass(slots=True)
class RoomState:
    """A room's counters, and their changes by the commit."""

    head: int
    uncounted: int
    # Whether it got events that count, and others.
    counted: bool = False
    amended: bool = False

    @property
    def moved(self) -> bool:
        return self.counted or self.amended


@dataclass(slots=True)
class Found:
    """What the database holds once the rooms are locked."""

    rooms: dict[int, RoomState]
    # (room, user) → role, of those who may write.
    roles: Mapping[tuple[int, int], str]
    known: Mapping[Identity, EventRow]
    targets: Mapping[Place, EventRow] = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    """What to write.

    `seqs` says what became of each key.
    """

    now: datetime
    seqs: dict[Identity, int | Exception] = field(default_factory=dict)
    new: list[NewEvent] = field(default_factory=list)
    # Targets whose present state changed.
    changed: dict[Place, EventRow] = field(default_factory=dict)
    # The targets as each amending event left them.
    amended: dict[Identity, Amended] = field(default_factory=dict)
    # Things with something due, or with nothing due any more.
    due: dict[Place, datetime | None] = field(default_factory=dict)

    def mentions(self) -> list[tuple[int, int, int, int]]:
        """Return (room, seq, author, person) of each mention in a new message.

        Person 0 is everybody in the room.
        """
        named = ((new.append, new.seq, person) for new in self.new for person in new.append.mentions)
        return [(append.room.id, seq, append.author, person) for append, seq, person in named]


def plan(asked: Mapping[Identity, PendingEvent], found: Found, now: datetime) -> Plan:
    """Give out seqs in the order of the batch and change the targets.

    An event that is refused takes no seq.
    """
    made = Plan(now)
    for identity, append in asked.items():
        role = Role.OWNER if append.by_server else found.roles.get((append.room.id, append.author))
        if role is None:
            made.seqs[identity] = 0
        elif identity in found.known:
            made.seqs[identity] = -found.known[identity].seq
        else:
            made.seqs[identity] = _add(append, role, found, made)
    made.changed = {place: kinds.as_stored(row) for place, row in made.changed.items()}
    return made


def _add(append: PendingEvent, role: str, found: Found, made: Plan) -> int | Exception:
    kind = kinds.KINDS[append.kind]
    try:
        if kind.amends is not None:
            _amend(append, kind, role, found, made)
        elif kind.check is not None:
            kind.check(append.payload, _context(append, role, append.author, made.now))
    except FrameRefused as refusal:
        return refusal
    except Exception as error:
        logger.exception("an event could not be applied", kind=kind.name, room=append.room.slug, target=append.target)
        return error
    state = found.rooms[append.room.id]
    state.head += 1
    state.counted |= kind.counts
    state.amended |= not kind.counts
    state.uncounted += not kind.counts
    made.new.append(NewEvent(append, state.head, state.uncounted))
    if kind.due is not None:
        made.due[append.room.id, state.head] = kind.due(append.payload)
    return state.head


def _amend(append: PendingEvent, kind: EventKind, role: str, found: Found, made: Plan) -> None:
    """Change the target's state.

    Raises FrameRefused.
    """
    place = (append.room.id, append.target or 0)
    row = made.changed.get(place) or found.targets.get(place)
    if row is None:
        raise NoSuchTarget(_("there is no such message in the room"))
    state = kinds.state_of(row)
    after = kinds.apply(kind, state, append.payload, append.author, _context(append, role, row.author, made.now))
    if after is not state:
        row = made.changed[place] = kinds.with_state(row, after)
        due = kinds.KINDS[row.kind].due
        if due is not None:
            made.due[place] = due(after)
    made.amended[append.identity] = Amended(row.kind, row.text, row.data, row.state)


def _context(append: PendingEvent, role: str, target_author: int, now: datetime) -> Context:
    return Context(
        target_author=target_author,
        is_owner=role == Role.OWNER,
        at=now,
        author_name=append.author_name,
        by_server=append.by_server,
    )
