from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import models

from accounts.names import key_of

TAKEN = "That name is taken."


class People(UserManager["User"]):
    def by_name(self, name: str) -> models.QuerySet[User]:
        """Nobody, or the one person of that name in any case."""
        key = key_of(name)
        return self.none() if "\0" in key else self.filter(name_key=key)  # Postgres takes no NUL, not even to compare

    def get_by_natural_key(self, username: str | None) -> User:
        return self.by_name(username or "").get()


class User(AbstractUser):
    """A person or a bot. Names differ by more than case: see `accounts.names`."""

    username = models.CharField(
        "name",
        max_length=64,
        unique=True,
        validators=[UnicodeUsernameValidator()],
        help_text="Up to 64 letters, digits and @ . + - _",
        error_messages={"unique": TAKEN},
    )
    # Without case, one character of a name may become three.
    name_key = models.CharField(max_length=255, unique=True, editable=False)
    objects: ClassVar[People] = People()

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        self.name_key = key_of(self.username)
        if update_fields is not None and "username" in update_fields:
            update_fields = {*update_fields, "name_key"}
        super().save(*args, update_fields=update_fields, **kwargs)

    def validate_unique(self, exclude: Iterable[str] | None = None) -> None:
        """Blames the name for what its key meets: forms know the one and not the other."""
        excluded = set(exclude or ())
        super().validate_unique(exclude=excluded | {"username", "name_key"})
        if "username" not in excluded and User.objects.by_name(self.username).exclude(pk=self.pk).exists():
            raise ValidationError({"username": TAKEN}, code="unique")


class ApiToken(models.Model):
    """A long-lived credential; only its SHA-256 is kept (the token itself has 256 random bits, so no salt is needed)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)


class Revocation(models.Model):
    """That a credential stopped being good, for the processes whose sockets the signal did not reach.

    `credential` is one credential or a kind of them (`session`); `keep` is the one of that kind which stays good.
    """

    user_id = models.BigIntegerField()  # no reference: it has to outlive a deleted user until every process has heard of it
    credential = models.CharField(max_length=96)
    keep = models.CharField(max_length=96, blank=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)


class Ticket(models.Model):
    """A credential for one handshake, for pages that cannot send headers; consumed by DELETE … RETURNING.

    `credential` names what it was bought with, so that revoking that closes the socket too.
    """

    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    credential = models.CharField(max_length=96)
    expires_at = models.DateTimeField(db_index=True)
