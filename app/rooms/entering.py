"""Coming into a room from a socket: the membership joining gives is published before the join goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops import database
from realtime.publish import Person, RoomRef, member_added
from rooms import access, services
from rooms.models import Room

if TYPE_CHECKING:
    from realtime.socket import Socket


async def enter(user: Person, slug: str, *, create: bool = False, but_for: Socket | None = None) -> Room:
    """The room. Its own socket, `but_for`, needs no `room.added`.

    Raises NoSuchRoom, or NotAMember for a room one is invited to.
    """
    found, new = await database.run_for(user.id, services.room_enter, slug=slug, user=user.id, create=create)
    if new:
        room = found.room
        member_added(access.ref(room), [user.id], access.details(room), head=room.head, upto=found.upto, but_for=but_for)
    return found.room


async def enter_first_use(user: Person, slug: str) -> RoomRef:
    """The same for the dialects that name a room in their address, which may create it."""
    return access.ref(await enter(user, slug, create=True))
