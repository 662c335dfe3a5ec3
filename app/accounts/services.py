"""Writes of accounts.

Each is synchronous and runs in a database thread; see db.database.run.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts import passwords
from accounts.models import TAKEN, ApiToken, Revocation, Ticket, User
from core.refusals import note_refusal
from realtime.publish import credential_name

TOKENS_PER_USER = 100
# Length of the password mark in a session's credential.
MARK = 16
REVOCATIONS_KEPT = timedelta(hours=1)


class SignUpClosed(Exception):
    """This installation accepts no sign-ups."""


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def session_mark(password: str) -> str:
    """Return a mark of the stored password for the credentials of sessions.

    A session with another mark is no longer good.
    """
    return User(password=password).get_session_auth_hash()[:MARK]


def session_marks(password: str) -> list[str]:
    """Return the stored password's mark for each valid secret key, current key first."""
    user = User(password=password)
    return [user.get_session_auth_hash()[:MARK], *(one[:MARK] for one in user.get_session_auth_fallback_hash())]


def session_named(key: str) -> str:
    """Return a session's name: its credential without the password mark."""
    return "session:" + digest_of(key)


def token_credential(token_id: int) -> str:
    return f"token:{token_id}"


def user_create(*, username: str, password: str) -> User:
    """Create an account.

    Raises SignUpClosed, or ValidationError with an `error_dict` of fields.
    """
    if not settings.SIGNUP_OPEN:
        note_refusal("sign-up", "closed", "SIGNUP_OPEN")
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
    except IntegrityError as error:  # the name was taken in between
        raise ValidationError({"username": [TAKEN]}) from error
    return user


def token_create(*, user: User) -> str:
    """Create an API token and return it, this once.

    Above TOKENS_PER_USER the person's oldest ones are deleted.
    """
    token = secrets.token_urlsafe(32)
    ApiToken.objects.create(user=user, digest=digest_of(token))
    kept = ApiToken.objects.filter(user=user).order_by("-id").values_list("id", flat=True)[:TOKENS_PER_USER]
    ApiToken.objects.filter(user=user).exclude(id__in=list(kept)).delete()
    return token


def token_delete(*, credential: str) -> None:
    """Delete the token with this credential name."""
    ApiToken.objects.filter(id=credential.removeprefix("token:")).delete()


def ticket_create(*, user_id: int, credential: str) -> str:
    """Create a ticket for one handshake within settings.TICKET_SECONDS."""
    ticket = secrets.token_urlsafe(24)
    expires = Now() + timedelta(seconds=settings.TICKET_SECONDS)  # the database's clock, which the handshake uses as well
    Ticket.objects.create(digest=digest_of(ticket), user_id=user_id, credential=credential, expires_at=expires)
    return ticket


def tickets_end(*, user: int, credential: str) -> None:
    """Delete the tickets that were issued for an ended credential."""
    name = credential_name(credential)
    Ticket.objects.filter(user_id=user).filter(Q(credential=name) | Q(credential__startswith=f"{name}:")).delete()


def expired_prune() -> int:
    """Delete expired tickets; return how many."""
    Revocation.objects.filter(at__lt=timezone.now() - REVOCATIONS_KEPT).delete()
    return Ticket.objects.filter(expires_at__lt=Now()).delete()[0]
