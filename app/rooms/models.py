from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from rooms import slugs

MAX_TITLE = 120


class Kind(models.TextChoices):
    PUBLIC = "public", _("public")
    PRIVATE = "private", _("private")
    DIRECT = "direct", _("direct")


class Role(models.TextChoices):
    OWNER = "owner"
    MEMBER = "member"


class Room(models.Model):
    """A room and the head of its log.

    `slug` never changes: it is the room's name on the wire.
    """

    slug = models.CharField(_("name in addresses"), max_length=slugs.MAX_STORED, unique=True)
    # Equal for slugs that look alike. Empty in direct rooms, and for all but the first of look-alikes from an earlier release.
    look = models.CharField(max_length=255, unique=True, null=True, editable=False)  # noqa: DJ001  # NULL is no double
    title = models.CharField(_("title"), max_length=MAX_TITLE, blank=True)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices, default=Kind.PUBLIC)
    # seq of the last committed event; the next one is assigned under the row's lock.
    head = models.BigIntegerField(_("last event"), default=0)
    # Time of the last event that makes the room unread, and of the last other one, such as an edit.
    last_at = models.DateTimeField(_("last message"), null=True)
    amended_at = models.DateTimeField(null=True, editable=False)
    # How many events up to `head` do not count as unread.
    uncounted = models.BigIntegerField(default=0, db_default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # The room is being deleted: hidden from everyone, while its members and messages are deleted in batches.
    closed = models.BooleanField(_("closed"), default=False, db_default=False, editable=False)

    class Meta:
        # The order of a page of public rooms. Neither column changes with a message.
        indexes = [models.Index(fields=["kind", "slug"], name="rooms_by_kind")]
        verbose_name = _("room")
        verbose_name_plural = pgettext_lazy("admin", "rooms")

    def __str__(self) -> str:
        return self.slug


class Removal(models.Model):
    """A table that only the release before the journal (app/changes) writes.

    That release still runs during a roll. Drop the table in the next release.
    """

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    # left, removed or deleted, as in `room.left`.
    reason = models.CharField(max_length=8, default="removed", db_default="removed")


class Membership(models.Model):
    # No index of its own: the constraint's begins with the room.
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="memberships", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.MEMBER)
    # Read mark: the highest seq the person has seen. It never goes back.
    last_read_seq = models.BigIntegerField(default=0, db_column="upto")
    # How many events up to it do not count as unread.
    uncounted = models.BigIntegerField(default=0, db_default=0, editable=False)
    joined_at = models.DateTimeField(auto_now_add=True)
    # The inviting person's id; empty for other joins. No foreign key: it is a note, not checked at every write.
    added_by = models.BigIntegerField(null=True, editable=False)
    # In a direct room: the other person has blocked this one, who may read but not write.
    silenced = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["room", "user"], name="one_membership")]


class Mention(models.Model):
    """A message that names a member who has not read it yet.

    Written in the commit of the message, gone with the read mark.
    """

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="mentions", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    seq = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "room", "seq"], name="one_mention")]
        indexes = [models.Index(fields=["room", "seq"], name="mentions_by_event")]


class Block(models.Model):
    """One person's block of another: `user` has blocked `blocked`.

    `blocked` cannot add `user` to rooms, open a direct room with them, or write into theirs.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    blocked = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "blocked"], name="one_block")]


class Spent(models.Model):
    """How often a person did something in one period: see quotas.py."""

    user_id = models.BigIntegerField()
    what = models.CharField(max_length=48)
    period = models.BigIntegerField()
    count = models.IntegerField()
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user_id", "what", "period"], name="one_count")]
