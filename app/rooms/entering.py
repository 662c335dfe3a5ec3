"""Coming into a room from a socket: the membership joining gives is published before the join goes on."""

from __future__ import annotations

from ops import database
from realtime.publish import Person, RoomRef, member_added
from rooms import access, services
from rooms.models import Room


async def enter(user: Person, slug: str, *, create: bool = False) -> Room:
    """The room. Raises NoSuchRoom, or NotAMember for a room one is invited to."""
    found, new = await database.run(services.room_enter, slug=slug, user=user.id, create=create)
    if new:
        member_added(access.ref(found.room), [user.id], upto=found.upto)
    return found.room


async def enter_first_use(user: Person, slug: str) -> RoomRef:
    """The same for the dialects that name a room in their address, which may create it."""
    return access.ref(await enter(user, slug, create=True))
