"""Coming into a room from a socket: the membership joining gives is published before the join goes on."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from core.errors import FrameRefused
from db.batch_loader import BatchLoader
from db.queries import Query
from realtime.publish import Person, RoomRef, member_added
from rooms import access
from rooms.arrivals import Arrival, Outcome, enter_all

if TYPE_CHECKING:
    from realtime.socket import Socket


async def enter(user: Person, slug: str, *, create: bool = False, but_for: Socket | None = None) -> RoomRef:
    """The room. Its own socket, `but_for`, needs no `room.added`.

    Raises NoSuchRoom, NotAMember for a room one is invited to, DatabaseUnavailable.
    """
    outcome = await _arrivals(Arrival(user.id, slug, create), owner=user.id)
    assert outcome is not None
    if isinstance(outcome, FrameRefused):
        raise outcome.with_traceback(None)  # another socket of the person may raise it, too
    room, ref = outcome.room, access.ref(outcome.room)
    if outcome.new:
        member_added(ref, [user.id], access.details(room), head=room.head, upto=outcome.upto, but_for=but_for)
    return ref


async def enter_first_use(user: Person, slug: str) -> RoomRef:
    """The same for the dialects that name a room in their address, which may create it."""
    return await enter(user, slug, create=True)


def _enter_together(arrivals: list[Arrival]) -> Query[dict[Arrival, Outcome]]:
    outcomes: dict[Arrival, Outcome] = yield functools.partial(enter_all, arrivals)
    return outcomes


_arrivals = BatchLoader(_enter_together)
