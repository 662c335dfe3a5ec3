"""/api/notifications: how I want to be told, by room, and my devices."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils.translation import get_language
from ninja import Router, Schema
from pydantic import Field

from accounts.http_auth import authenticated, user_id
from core.api_types import Body
from core.errors import RateLimited
from core.limits import Buckets
from core.per_loop import PerLoop
from core.words import words as _
from db import database
from features.notifications import services, tasks
from features.notifications.endpoints import LONGEST
from realtime.publish import person_signal

router = Router(tags=["notifications"], auth=authenticated)

# Without NUL, which Postgres refuses.
Text = Annotated[str, Field(max_length=254, pattern=r"^[^\x00]*$")]
Key = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_=-]*$")]
DeviceId = Annotated[int, Field(ge=1, le=2**53)]
LevelName = Literal["all", "mentions", "nothing"]
Digest = Literal["off", "daily", "hourly"]


class Quiet(Body):
    begin: Text = Field(alias="from")
    to: Text
    zone: Text


class Settings(Schema):
    sound: bool
    browser: bool
    quiet: Quiet | None
    digest: Digest
    email: str | None
    email_confirmed: bool
    mail: bool
    rooms: dict[str, LevelName]
    push_key: str | None


class DeviceOut(Schema):
    id: int
    label: str
    created_at: datetime


class SettingsAndDevices(Settings):
    devices: list[DeviceOut]


class Change(Body):
    sound: bool = False
    browser: bool = False
    quiet: Quiet | None = None
    digest: Digest = "off"
    email: Text | None = None


class LevelIn(Body):
    level: LevelName


class Keys(Body):
    p256dh: Key
    auth: Key


class DeviceIn(Body):
    endpoint: Annotated[str, Field(max_length=LONGEST, pattern=r"^[^\x00]*$")]
    keys: Keys
    label: Annotated[str, Field(max_length=80, pattern=r"^[^\x00]*$")] = ""


class Made(Schema):
    id: int


class Tried(Schema):
    devices: int


# Confirmation mails a day, for each person and for each address. The address may be another person's.
_confirmations = PerLoop(lambda: Buckets(5 / 86_400, 5))
# Test pushes of one person.
_tests = PerLoop(lambda: Buckets(1 / 20, 3))


@router.get("", response=SettingsAndDevices, by_alias=True, summary="How I want to be told")
async def settings_get(request: HttpRequest) -> dict[str, Any]:
    """Return my settings and devices.

    `rooms`: the levels that differ from the default, which is `all` in direct rooms and `mentions` in others.
    """
    me = user_id(request)
    return await database.run_for(me, lambda: {**services.settings_of(me), "devices": services.devices_of(me)})


@router.patch("", response=Settings, by_alias=True, summary="Change how I want to be told")
async def settings_patch(request: HttpRequest, payload: Change) -> dict[str, Any]:
    """Fields that are not given stay.

    A new `email` is used once the link that is mailed to it was opened.
    """
    me, language = user_id(request), _language()
    changes = payload.dict(exclude_unset=True, by_alias=True)
    address = services.checked_email(changes.get("email"))
    if address and not (_confirmations().take(str(me)) and _confirmations().take(address.lower())):
        raise RateLimited(_("too many addresses today; try again tomorrow"), retry_after=3_600)

    def change() -> services.Changed:
        changed = services.settings_change(user=me, changes=changes, language=language)
        if changed.confirm:
            tasks.email_confirmation.enqueue(me)
        return changed

    changed = await database.run_for(me, change)
    return _settings_shown(me, changed.settings)


@router.put("/rooms/{slug}", response=Settings, by_alias=True, summary="Set what I am told of in a room")
async def level_put(request: HttpRequest, slug: str, payload: LevelIn) -> dict[str, Any]:
    """`nothing` silences mentions, too."""
    me = user_id(request)
    _room, settings = await database.run_for(me, lambda: services.level_set(user=me, slug=slug, level=payload.level))
    return _settings_shown(me, settings)


@router.post("/devices", response={201: Made}, summary="Let a browser take Web Push")
async def device_post(request: HttpRequest, payload: DeviceIn) -> tuple[int, dict[str, Any]]:
    """What `PushSubscription.toJSON()` gives, and a label.

    The same endpoint again is the same device.
    """
    me, language = user_id(request), _language()

    def put() -> int:
        keys = payload.keys
        return services.device_put(
            user=me, endpoint=payload.endpoint, p256dh=keys.p256dh, auth=keys.auth, label=payload.label, language=language
        )

    return 201, {"id": await database.run_for(me, put)}


@router.delete("/devices/{device}", response={204: None}, summary="Remove a device")
async def device_delete(request: HttpRequest, device: DeviceId) -> tuple[int, None]:
    me = user_id(request)
    await database.run_for(me, lambda: services.device_remove(user=me, device=device))
    return 204, None


@router.post("/test", response={202: Tried}, summary="Send a Web Push to my own devices")
async def test_post(request: HttpRequest) -> tuple[int, dict[str, Any]]:
    """It comes within seconds.

    `devices`: how many there are.
    """
    me = user_id(request)
    if not _tests().take(str(me)):
        raise RateLimited(_("too many tests; wait a little"), retry_after=20)

    def begin() -> int:
        if number := services.device_count(me):
            tasks.push_test.enqueue(me)
        return number

    return 202, {"devices": await database.run_for(me, begin)}


def _settings_shown(me: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Show the person's other pages the change, too."""
    person_signal(me, {"type": "notifications", **settings})
    return settings


def _language() -> str:
    return get_language() or "en"
