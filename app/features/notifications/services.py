"""How people want to be told: read and changed.

Synchronous, in a database thread.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from core.errors import BadFrame, NoSuchTarget
from core.words import words as _
from features.notifications import mail, quiet, vapid
from features.notifications.endpoints import checked_endpoint
from features.notifications.mail import Link
from features.notifications.models import Device, Preferences, RoomLevel
from features.notifications.quiet import Quiet
from features.notifications.table import DEFAULT, Level
from rooms import access
from rooms.models import Kind

# Devices a person may have; the oldest goes.
MOST_DEVICES = 20
LONGEST_EMAIL = 254
DIGESTS = ("off", "daily", "hourly")
# The key of a device is a point of P-256, uncompressed; its secret has 16 bytes (RFC 8291).
POINT_BYTES, SECRET_BYTES = 65, 16


class Changed(NamedTuple):
    """The settings after a change."""

    settings: dict[str, Any]
    # Whether a link must be mailed to the address, to confirm it.
    confirm: bool = False


def settings_of(user: int) -> dict[str, Any]:
    """Return what `GET /api/notifications` shows but for the devices."""
    found = Preferences.objects.filter(user_id=user).first() or Preferences(user_id=user)
    hours = quiet_of(found.quiet_from, found.quiet_to, found.quiet_zone)
    return {
        "sound": found.sound,
        "browser": found.browser,
        "quiet": hours.wire() if hours else None,
        "digest": found.digest,
        "email": found.email or None,
        "email_confirmed": found.email_confirmed,
        "mail": mail.is_on(),
        "rooms": levels_of(user),
        "push_key": vapid.public_key(),
    }


def quiet_of(begin: str, end: str, zone: str) -> Quiet | None:
    return Quiet(begin, end, zone) if zone else None


def levels_of(user: int) -> dict[str, str]:
    """Return the levels of the person's rooms that differ from the default, by slug."""
    rows = RoomLevel.objects.filter(user_id=user, room__closed=False, room__memberships__user_id=user)
    return dict(rows.order_by("room__slug").values_list("room__slug", "level"))


def devices_of(user: int) -> list[dict[str, Any]]:
    rows = good_devices(Device.objects.filter(user_id=user).order_by("id"))
    return [{"id": one.id, "label": one.label, "created_at": one.created_at} for one in rows]


def good_devices(devices: QuerySet[Device]) -> list[Device]:
    """Return those of the devices that may still be told, and remove the others.

    A new password ends a person's devices, as it ends their sessions. A browser that another person signed in with gets no
    more pushes.
    """
    found = list(devices.select_related("user"))
    for one in found:
        if not one.mark:  # of an earlier release
            one.mark = mark_of(one.user.password)
            Device.objects.filter(id=one.id, mark="").update(mark=one.mark)
    ended = [one.id for one in found if one.mark != mark_of(one.user.password)]
    if ended:
        Device.objects.filter(id__in=ended).delete()
    return [one for one in found if one.id not in ended]


def mark_of(password: str) -> str:
    """Return a mark of a stored password.

    A device keeps it.
    """
    return hashlib.sha256(password.encode()).hexdigest()


def settings_change(*, user: int, changes: dict[str, Any], language: str) -> Changed:
    """Change some of sound, browser, quiet, digest, email.

    Raises BadFrame, naming what is wrong.
    """
    fields: dict[str, Any] = {name: changes[name] for name in ("sound", "browser", "digest") if name in changes}
    if fields.get("digest", "off") not in DIGESTS:
        raise BadFrame(_("digest is one of {names}", names=", ".join(DIGESTS)))
    if "quiet" in changes:
        fields |= _quiet_fields(changes["quiet"])
    if "email" in changes:
        fields["email"] = checked_email(changes["email"])
    with transaction.atomic():
        found, _made = Preferences.objects.select_for_update().get_or_create(user_id=user)
        if "email" in fields and fields["email"] != found.email:
            fields["email_confirmed"] = False
        if fields.get("digest", found.digest) != found.digest:
            fields["mailed_at"] = timezone.now()  # the first digest comes after a whole period
        for name, value in {**fields, "language": language}.items():
            setattr(found, name, value)
        found.save()
    # Given again, an address that was never confirmed gets its link again.
    confirm = bool(found.email) and not found.email_confirmed and "email" in fields
    return Changed(settings_of(user), confirm)


def _quiet_fields(hours: dict[str, str] | None) -> dict[str, str]:
    found = quiet.checked(hours["from"], hours["to"], hours["zone"]) if hours else Quiet("", "", "")
    return {"quiet_from": found.begin, "quiet_to": found.end, "quiet_zone": found.zone}


def checked_email(email: str | None) -> str:
    """Return an address to which mails may go; "" for none.

    Raises BadFrame.
    """
    address = (email or "").strip()
    if not address:
        return ""
    if not mail.is_on():
        raise BadFrame(_("this installation sends no e-mail"))
    try:
        validate_email(address)
    except ValidationError as error:
        raise BadFrame(_("email is no address")) from error
    if len(address) > LONGEST_EMAIL or not address.isascii():
        raise BadFrame(_("email is no address"))
    return address


def email_confirm(link: Link) -> dict[str, Any] | None:
    """Confirm an address.

    Return the settings; None if the person has another one now.
    """
    found = Preferences.objects.filter(user_id=link.user, email=link.email)
    changed = found.update(email_confirmed=True, mailed_at=timezone.now())
    return settings_of(link.user) if changed else None


def unsubscribe(link: Link) -> dict[str, Any] | None:
    """Stop mails to an address; an unconfirmed one is removed.

    Return the settings; None for another address.
    """
    found = Preferences.objects.filter(user_id=link.user, email=link.email)
    changed = found.update(digest="off")
    found.filter(email_confirmed=False).update(email="")
    return settings_of(link.user) if changed else None


def level_set(*, user: int, slug: str, level: str) -> tuple[int, dict[str, Any]]:
    """Set the level of a room, and return the room's id and the settings.

    Raises NoSuchRoom or NotAMember.
    """
    room = access.membership_in(user, slug).room
    if level == DEFAULT[room.kind == Kind.DIRECT]:
        RoomLevel.objects.filter(room=room, user_id=user).delete()
    else:
        RoomLevel.objects.update_or_create(room=room, user_id=user, defaults={"level": Level(level).value})
    return room.id, settings_of(user)


def device_put(*, user: int, endpoint: str, p256dh: str, auth: str, label: str, language: str) -> int:
    """Add a device, or change the one of that endpoint.

    Return its id. Raises BadFrame.

    An endpoint is one browser: it notifies the person who signed in there last.
    """
    address = checked_endpoint(endpoint)
    _check_key("p256dh", p256dh, POINT_BYTES)
    _check_key("auth", auth, SECRET_BYTES)
    if vapid.decoded(p256dh)[0] != 4:
        raise BadFrame(_("keys: {name} is no key of a push subscription", name="p256dh"))
    mark = mark_of(User.objects.values_list("password", flat=True).get(id=user))
    fields = {
        "mark": mark,
        "user_id": user,
        "endpoint": address,
        "p256dh": p256dh,
        "auth": auth,
        "label": label,
        "language": language,
    }
    digest = hashlib.sha256(address.encode()).hexdigest()
    device, _made = Device.objects.update_or_create(digest=digest, defaults={**fields, "failing_since": None})
    kept = Device.objects.filter(user_id=user).order_by("-id").values_list("id", flat=True)[:MOST_DEVICES]
    Device.objects.filter(user_id=user).exclude(id__in=[*kept, device.id]).delete()
    return device.id


def _check_key(name: str, text: str, size: int) -> None:
    try:
        fits = len(vapid.decoded(text)) == size
    except ValueError:
        fits = False
    if not fits:
        raise BadFrame(_("keys: {name} is no key of a push subscription", name=name))


def device_remove(*, user: int, device: int) -> None:
    """Remove a device.

    Raises NoSuchTarget.
    """
    if not Device.objects.filter(user_id=user, id=device).delete()[0]:
        raise NoSuchTarget(_("there is no such device"))


def device_count(user: int) -> int:
    return len(good_devices(Device.objects.filter(user_id=user)))


def person_forget(*, user: int) -> None:
    """Delete all that is kept of a person."""
    for table in (Preferences, RoomLevel, Device):
        table.objects.filter(user_id=user).delete()
