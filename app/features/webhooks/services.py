"""Make, list and revoke a room's hooks.

Synchronous, in a database thread.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F, ProtectedError
from django.db.models.functions import Now

from accounts.models import User
from accounts.people import checked_alias
from chat import publish
from core.errors import Forbidden, NoSuchTarget, TooMany
from core.words import words as _
from features.webhooks.models import Hook
from realtime.publish import Person, RoomRef
from rooms import access
from rooms.models import Kind, Role, Room

MOST_HOOKS = 20


class Opened(NamedTuple):
    """A hook as a post through it needs it."""

    id: int
    room: RoomRef
    bot: Person
    alias: str


def hook_create(*, user: int, slug: str, name: str) -> tuple[Hook, str]:
    """Make a hook and return it with its token, this once.

    Raises NoSuchRoom, NotAMember, Forbidden for all but owners, TooMany, or BadFrame for a name that is another person's.
    """
    room = _owned(user, slug)
    shown = checked_alias(0, name)
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        Room.objects.select_for_update().get(id=room.id)  # one after the other, so that no more than MOST_HOOKS come to be
        if Hook.objects.filter(room=room).count() >= MOST_HOOKS:
            raise TooMany(_("a room has at most {most} webhooks", most=MOST_HOOKS))
        bot = User(username=f"bot-{secrets.token_hex(6)}", is_active=False)
        bot.set_unusable_password()
        bot.save()
        hook = Hook.objects.create(room=room, bot=bot, name=shown, digest=_digest(token), created_by_id=user)
    return Hook.objects.select_related("created_by").get(id=hook.id), token


def hook_list(*, user: int, slug: str) -> list[Hook]:
    """Return the hooks of a room, for its owners."""
    return list(Hook.objects.filter(room=_owned(user, slug)).select_related("created_by").order_by("id"))


def hook_delete(*, user: int, slug: str, hook: int) -> None:
    """Revoke a hook: its token is worth nothing from now on.

    Its bot stays where it has written, as the author of its messages. Raises NoSuchTarget.
    """
    found = Hook.objects.filter(room=_owned(user, slug), id=hook).first()
    if found is None or not Hook.objects.filter(id=found.id).delete()[0]:
        raise NoSuchTarget(_("there is no such webhook"))
    with suppress(ProtectedError, IntegrityError), transaction.atomic():  # a message was or is just being stored
        User.objects.filter(id=found.bot_id).delete()


def hook_of(token: str) -> Opened:
    """Return the hook of a token.

    Raises NoSuchTarget.
    """
    hook = Hook.objects.filter(digest=_digest(token), room__closed=False).select_related("room", "bot").first()
    if hook is None:
        raise NoSuchTarget(_("there is no such webhook"))
    return Opened(hook.id, access.to_ref(hook.room), Person(hook.bot_id, hook.bot.username), hook.name)


def hook_used(hook: int) -> None:
    """Count a message that was stored."""
    Hook.objects.filter(id=hook).update(posts=F("posts") + 1, last_used_at=Now())


def alias_of(hook: Opened, username: str) -> str:
    """Return the name that a message shows beside the bot's.

    Raises BadFrame for another person's.
    """
    return checked_alias(hook.bot.id, username) or hook.alias


def seq_posted(hook: Opened, key: str) -> int | None:
    """Return the seq of the message that came with a key before."""
    found = publish.place_of(room=hook.room.id, author=hook.bot.id, key=key)
    return found and found[0]


def _owned(user: int, slug: str) -> Room:
    membership = access.membership_in(user, slug)
    if membership.role != Role.OWNER or membership.room.kind == Kind.DIRECT:
        raise Forbidden(_("only the room's owners have webhooks"))
    return membership.room


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
