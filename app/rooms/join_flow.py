"""Join a room from a socket, and publish a new membership before going on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import FrameRefused
from db.batch_loader import BatchLoader
from realtime.publish import Head, Person, RoomRef, member_added
from rooms import access
from rooms.arrivals import Arrival, enter_all

if TYPE_CHECKING:
    from realtime.socket import Socket


async def enter(user: Person, slug: str, *, create: bool = False, but_for: Socket | None = None) -> RoomRef:
    """Make the person a member and return the room.

    The socket `but_for` gets no `room.added`.

    Raises NoSuchRoom, NotAMember for a room by invitation only, DatabaseUnavailable.
    """
    outcome = await _arrivals(Arrival(user.id, slug, create), owner=user.id)
    assert outcome is not None
    if isinstance(outcome, FrameRefused):
        raise outcome.with_traceback(None)  # another socket of the person may raise the same exception
    room, ref = outcome.room, access.to_ref(outcome.room)
    if outcome.new:
        mark = Head(outcome.last_read_seq, room.uncounted)  # of a new membership it is the head
        member_added(ref, [user.id], access.details(room), head=room.head, last_read=mark, but_for=but_for)
    return ref


async def enter_first_use(user: Person, slug: str) -> RoomRef:
    """Enter a room, creating it if missing: for dialects with the room in their path."""
    return await enter(user, slug, create=True)


_arrivals = BatchLoader(enter_all)
