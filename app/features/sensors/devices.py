"""Devices of a room: made, listed and revoked by people, found by their tokens.

Synchronous, in a database thread.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from accounts.models import User
from accounts.people import checked_alias
from accounts.services import digest_of
from core.errors import BadFrame, Forbidden, NoSuchTarget, TooMany
from core.words import words as _
from db.queries import Query, WhereIn
from features.sensors.models import Device
from realtime.publish import Person, RoomRef
from rooms import access
from rooms.models import Kind, Membership, Role, Room

# Kind of the credential, and beginning of each token.
KIND = "device"
PREFIX = "device-"


class DeviceRef(NamedTuple):
    """A device as its credential names it."""

    id: int
    room: RoomRef


def device_create(*, user: int, slug: str, name: str) -> tuple[Device, str]:
    """Make a device and return it with its token, this once.

    Raises NoSuchRoom, NotAMember, TooMany, or BadFrame for a name that is another person's.
    """
    room = access.membership_in(user, slug).room
    shown = checked_alias(0, name)
    if not shown:
        raise BadFrame(_("a device needs a name"))
    token = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        Room.objects.select_for_update().get(id=room.id)  # one after the other, so that there are never too many
        if Device.objects.filter(room=room).count() >= settings.LIMIT_DEVICES_PER_ROOM:
            raise TooMany(_("a room has at most {most} devices", most=settings.LIMIT_DEVICES_PER_ROOM))
        bot = User(username=f"device-{secrets.token_hex(6)}", is_active=False)
        bot.set_unusable_password()
        bot.save()
        device = Device.objects.create(room=room, bot=bot, name=shown, digest=digest_of(token), created_by_id=user)
    return Device.objects.select_related("created_by").get(id=device.id), token


def device_list(*, user: int, slug: str) -> tuple[list[Device], bool]:
    """Return a room's devices by name, and whether the person may revoke all of them."""
    membership = access.membership_in(user, slug)
    found = Device.objects.filter(room=membership.room).select_related("created_by").order_by("name", "id")
    return list(found), membership.role == Role.OWNER


def device_delete(*, user: int, slug: str, device: int) -> int:
    """Revoke a device: its maker may, and the room's owners.

    Returns the id of the person that its sockets are of.

    Raises NoSuchTarget or Forbidden.
    """
    membership = access.membership_in(user, slug)
    found = Device.objects.filter(room=membership.room, id=device).first()
    if found is None:
        raise NoSuchTarget(_("there is no such device"))
    if found.created_by_id != user and membership.role != Role.OWNER:
        raise Forbidden(_("only the person who made a device and the room's owners revoke it"))
    User.objects.filter(id=found.bot_id).delete()  # the journal has every process close its sockets
    return found.bot_id


def good() -> QuerySet[Device]:
    """Return the devices that may push: their maker may still write in the room."""
    writer = Membership.objects.filter(room=OuterRef("room"), user=OuterRef("created_by"), silenced=False)
    return Device.objects.filter(Exists(writer), room__closed=False, created_by__is_active=True)


_DEVICES = WhereIn("digest", lambda: good().values_list("digest", "id", "bot_id", "name", "room_id", "room__slug", "room__kind"))


def owners(digests: list[str]) -> Query[dict[str, tuple[Person, str]]]:
    """Find devices by the digests of their tokens: `core.features.TokenKind.owners`."""
    rows = yield _DEVICES(digests)
    return {
        digest: (Person(bot, name), f"{KIND}:{device}:{room}:{int(kind == Kind.DIRECT)}:{slug}")
        for digest, device, bot, name, room, slug, kind in rows
    }


def device_of(credential: str) -> DeviceRef | None:
    """Return the device of a credential; None for a person's."""
    if not credential.startswith(f"{KIND}:"):
        return None
    _kind, device, room, direct, slug = credential.split(":", 4)
    return DeviceRef(int(device), RoomRef(int(room), slug, direct == "1"))


def look_after(seen: set[int], connected: set[int]) -> set[int]:
    """Note that devices were seen; return those of `connected` that may still push."""
    if seen:
        Device.objects.filter(id__in=seen).update(last_seen_at=Now())
    return set(good().filter(id__in=connected).values_list("id", flat=True)) if connected else set()
