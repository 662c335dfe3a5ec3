"""Send or close sockets after a person or a room changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from core.errors import Close
from realtime.events import Person, RoomDetails, encode
from realtime.live_room import LiveRoom
from realtime.local_users import LocalUser
from realtime.registry import Registry
from realtime.send_queue import Batch
from realtime.subscriber import Subscriber

# Subscribers written to before the event loop runs other tasks: a room may include all of the process.
SOCKETS_A_TICK = 500


def sign_out(socket: Subscriber) -> None:
    socket.close_soon(Close.REVOKED, "signed out or access revoked")


async def room_updated(room: LiveRoom, details: RoomDetails) -> None:
    """Send `room.updated` to every socket of every member, joined or not."""
    frame = encode({"type": "room.updated", "room": room.ref.slug, **details})
    await push(_sockets_of(room), frame)


async def user_updated(registry: Registry, person: Person, rooms: Iterable[int]) -> None:
    """Send `user.updated` to the person's own sockets and to those in the given rooms."""
    found: dict[Subscriber, None] = {}
    local = registry.people.get(person.id)
    if local is not None:
        found.update(dict.fromkeys(local.sockets))
    for room in filter(None, map(registry.rooms.get, rooms)):
        room.presence.forget_list()
        found.update(dict.fromkeys(_sockets_of(room)))
    await push(found, encode({"type": "user.updated", "user": person.wire()}))


def blocks_updated(local: LocalUser) -> None:
    """Send `blocks.updated` to a person whose list of blocks has changed."""
    local.push(Batch([encode({"type": "blocks.updated"})]))


def rename(local: LocalUser, name: str) -> None:
    """Use the new name in a local person's later messages and presence."""
    local.person = Person(local.person.id, name)
    for socket in local.sockets:
        socket.user = local.person


def _sockets_of(room: LiveRoom) -> dict[Subscriber, None]:
    """Return every member's socket that this process knows, once."""
    found: dict[Subscriber, None] = {}
    for sockets in room.sockets.values():
        found.update(dict.fromkeys(sockets))
    for local in room.watchers:
        found.update(dict.fromkeys(local.sockets))
    return found


async def push(sockets: Iterable[Subscriber], frame: str) -> None:
    """Send a frame without seq to these sockets, in slices."""
    batch = Batch([frame])
    for index, socket in enumerate(sockets, 1):
        if type(socket.dialect).signals:
            socket.push_batch(batch)
        if index % SOCKETS_A_TICK == 0:
            await asyncio.sleep(0)
