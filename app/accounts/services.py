"""Writes of accounts. Each is synchronous and runs in a database thread; see ops.database.run."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts import passwords
from accounts.models import TAKEN, ApiToken, Revocation, Ticket, User
from realtime.publish import Revoked

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase

TOKENS_PER_USER = 100
REVOCATIONS_KEPT = timedelta(hours=1)


class SignUpClosed(Exception):
    """This installation takes no sign-ups."""


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def session_credential(session: SessionBase) -> str:
    """Names a session without giving it away."""
    return session_named(str(session.session_key))


def session_named(key: str) -> str:
    """The credential of the session of that key."""
    return "session:" + digest_of(key)


def token_credential(token_id: int) -> str:
    return f"token:{token_id}"


def user_create(*, username: str, password: str) -> User:
    """A new account. Raises SignUpClosed, or ValidationError with an `error_dict` of fields."""
    if not settings.SIGNUP_OPEN:
        raise SignUpClosed
    user = User(username=User.normalize_username(username))
    errors: dict[str, Any] = {}
    try:
        user.clean_fields(exclude=["password", "name_key", "look"])
        user.validate_unique()
    except ValidationError as error:
        found = [e for fields in error.message_dict.values() for e in fields]
        errors["username"] = list(dict.fromkeys(found))
    try:
        validate_password(passwords.prepared(password), user)
    except ValidationError as error:
        errors["password"] = error.messages
    if errors:
        raise ValidationError(errors)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError as error:  # somebody took the name in between
        raise ValidationError({"username": [TAKEN]}) from error
    return user


def token_create(*, user: User) -> str:
    """A new API token, returned this once; the oldest go when a person holds more than TOKENS_PER_USER."""
    token = secrets.token_urlsafe(32)
    ApiToken.objects.create(user=user, digest=digest_of(token))
    kept = ApiToken.objects.filter(user=user).order_by("-id").values_list("id", flat=True)[:TOKENS_PER_USER]
    ApiToken.objects.filter(user=user).exclude(id__in=list(kept)).delete()
    return token


def token_delete(*, credential: str) -> None:
    """Ends the token that `token_credential` named so."""
    ApiToken.objects.filter(id=credential.removeprefix("token:")).delete()


def ticket_create(*, user_id: int, credential: str) -> str:
    """A ticket for one handshake within settings.TICKET_SECONDS."""
    ticket = secrets.token_urlsafe(24)
    expires = timezone.now() + timedelta(seconds=settings.TICKET_SECONDS)
    Ticket.objects.create(digest=digest_of(ticket), user_id=user_id, credential=credential, expires_at=expires)
    return ticket


def credential_revoke(*, user: int, credential: str, keep: str = "") -> Revoked:
    """Records that a credential, or a kind of them but for `keep`, is no longer good; the caller publishes the result."""
    row = Revocation.objects.create(user_id=user, credential=credential, keep=keep)
    bought = Ticket.objects.filter(user_id=user).filter(Q(credential=credential) | Q(credential__startswith=f"{credential}:"))
    bought.exclude(credential=keep).delete()
    return _revoked(row)


def access_revoke(*, user: int, keep: str = "") -> list[Revoked]:
    """Records that all a person's sockets have to end, but those of the session `keep`; the caller publishes the result."""
    return [credential_revoke(user=user, credential=kind, keep=keep) for kind in ("session", "token")]


def revoked_since(moment: datetime) -> list[Revoked]:
    """What was revoked after `moment`: for hubs that a signal did not reach."""
    return [_revoked(row) for row in Revocation.objects.filter(at__gt=moment).order_by("id")]


def _revoked(row: Revocation) -> Revoked:
    return Revoked(id=f"credential:{row.id}", user=row.user_id, credential=row.credential, keep=row.keep, at=row.at.timestamp())


def expired_prune() -> int:
    """Deletes tickets nobody used and what every process has heard of; returns how many tickets."""
    Revocation.objects.filter(at__lt=timezone.now() - REVOCATIONS_KEPT).delete()
    return Ticket.objects.filter(expires_at__lt=timezone.now()).delete()[0]
