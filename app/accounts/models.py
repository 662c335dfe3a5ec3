from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from accounts import names, passwords, signals
from accounts.names import key_of
from core.lookalikes import look_of

TAKEN = _("That name is taken.")
LOOKS_TAKEN = _("That name looks too much like a taken name.")


class People(UserManager["User"]):
    def by_name(self, name: str) -> models.QuerySet[User]:
        """Return at most one person, by the name in any case."""
        key = key_of(name)
        return self.none() if "\0" in key else self.filter(name_key=key)  # Postgres refuses NUL even in a comparison

    def new_name(self, name: str) -> str:
        """Return the stored form of a new account's name; asks no database.

        Raises ValidationError.
        """
        user = self.model(username=self.model.normalize_username(name))
        user.clean_fields(exclude=self._all_but_the_name())
        return user.username

    def create_superuser(self, username: str, email: str | None = None, password: str | None = None, **fields: Any) -> User:
        """Make an administrator, by the rules for all new names.

        Django's command looks at the length alone. Raises ValidationError.
        """
        name = self.new_name(username)
        self.model(username=name).validate_unique(exclude=self._all_but_the_name())
        return super().create_superuser(name, email, password, **fields)

    def _all_but_the_name(self) -> set[str]:
        return {field.name for field in self.model._meta.fields} - {"username"}

    def get_by_natural_key(self, username: str | None) -> User:
        return self.by_name(username or "").get()


class User(AbstractUser):
    """A person or a bot.

    Two names may not differ only in case or look alike: see `accounts.names`.
    """

    username = models.CharField(
        _("name"),
        max_length=names.MAX_LENGTH,
        unique=True,
        help_text=names.RULES,
        error_messages={"unique": TAKEN},
    )
    # Case folding may turn one character into three.
    name_key = models.CharField(max_length=255, unique=True, editable=False)
    # Equal for names that look alike. Empty for all but the first of look-alikes from an earlier release.
    look = models.CharField(max_length=255, unique=True, null=True, editable=False)  # noqa: DJ001  # NULL is no double
    objects: ClassVar[People] = People()

    @classmethod
    def normalize_username(cls, username: str) -> str:
        return names.normalized(username)

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, announce: bool = True, **kwargs: Any) -> None:
        """`announce`: whether a new name sends the signal `renamed`."""
        if self.look is not None or self._is_renamed():
            self.look = look_of(self.username)
        self.name_key = key_of(self.username)
        if update_fields is not None and "username" in update_fields:
            update_fields = {*update_fields, "name_key", "look"}
        may_rename = update_fields is None or "username" in update_fields
        before = self._stored_name() if announce and may_rename else None
        super().save(*args, update_fields=update_fields, **kwargs)
        if before not in {None, self.username}:
            transaction.on_commit(lambda: signals.renamed.send(User, user=self.pk))

    def clean_fields(self, exclude: Iterable[str] | None = None) -> None:
        """Apply today's rules to a new name; existing names keep working."""
        excluded = set(exclude or ())
        super().clean_fields(exclude=excluded)
        if "username" not in excluded and self._is_renamed():
            objection = names.objection_to(self.normalize_username(self.username))
            if objection:
                raise ValidationError({"username": objection}, code="invalid")

    def validate_unique(self, exclude: Iterable[str] | None = None) -> None:
        """Report a conflict of key or look as an error of the name, which forms show."""
        excluded = set(exclude or ())
        super().validate_unique(exclude=excluded | {"username", "name_key", "look"})
        if "username" in excluded:
            return
        others = User.objects.exclude(pk=self.pk)
        if others.filter(name_key=key_of(self.username)).exists():
            raise ValidationError({"username": TAKEN}, code="unique")
        if self._is_renamed() and others.filter(look=look_of(self.username)).exists():
            raise ValidationError({"username": LOOKS_TAKEN}, code="unique")

    def set_password(self, raw_password: str | None) -> None:
        super().set_password(None if raw_password is None else passwords.prepared(raw_password))

    def check_password(self, raw_password: str | None) -> bool:
        """Check the password in today's prepared form, then as typed.

        Earlier releases hashed it so.
        """
        if raw_password is None:
            return False
        prepared = passwords.prepared(raw_password)
        return super().check_password(prepared) or (prepared != raw_password and super().check_password(raw_password))

    def _stored_name(self) -> str | None:
        return None if self._state.adding else User.objects.filter(pk=self.pk).values_list("username", flat=True).first()

    def _is_renamed(self) -> bool:
        return self._state.adding or self.name_key != key_of(self.username)


class ApiToken(models.Model):
    """A long-lived credential.

    Only its SHA-256 is kept; 256 random bits need no salt.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)


class Revocation(models.Model):
    """A table that only the release before the journal (app/changes) writes.

    That release still runs during a roll. Drop the table in the next release.
    """

    user_id = models.BigIntegerField()
    credential = models.CharField(max_length=96)
    keep = models.CharField(max_length=96, blank=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)


class Ticket(models.Model):
    """A credential for one handshake, for pages that cannot send headers.

    DELETE … RETURNING consumes it. `credential` names the credential for which the ticket was issued: revoking that credential
    closes the socket, too.
    """

    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    credential = models.CharField(max_length=96)
    expires_at = models.DateTimeField(db_index=True)
