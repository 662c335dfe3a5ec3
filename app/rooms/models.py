from __future__ import annotations

from django.conf import settings
from django.db import models

from rooms import slugs


class Kind(models.TextChoices):
    PUBLIC = "public"
    PRIVATE = "private"
    DIRECT = "direct"


class Role(models.TextChoices):
    OWNER = "owner"
    MEMBER = "member"


class Room(models.Model):
    """A room and the head of its log. `slug` never changes: it is the room's name on the wire."""

    slug = models.CharField(max_length=slugs.MAX_STORED, unique=True)
    # Equal for slugs that look alike. Empty in direct rooms, and where an earlier release let two such slugs in: for the later.
    look = models.CharField(max_length=255, unique=True, null=True, editable=False)  # noqa: DJ001  # NULL is no double
    title = models.CharField(max_length=120, blank=True)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.PUBLIC)
    # seq of the last committed event; the row's lock gives the next one out.
    head = models.BigIntegerField(default=0)
    last_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # A room that is being deleted: it is there for nobody, while its members and messages go in batches.
    closed = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        # A page of public rooms is read in this order. Neither column changes with a message.
        indexes = [models.Index(fields=["kind", "slug"], name="rooms_by_kind")]

    def __str__(self) -> str:
        return self.slug


class Removal(models.Model):
    """Written by the release before the journal (app/changes), whose processes run on during a roll. Drop it with the next."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    # left, removed or deleted, as `room.left` says it.
    reason = models.CharField(max_length=8, default="removed", db_default="removed")


class Membership(models.Model):
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="memberships", db_index=False)  # the constraint has one
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.MEMBER)
    # Read mark: the highest seq the person has seen. It never goes back.
    upto = models.BigIntegerField(default=0)
    joined_at = models.DateTimeField(auto_now_add=True)
    # Who invited the person; empty for those who came by themselves. No reference: it is a note, not checked at every write.
    added_by = models.BigIntegerField(null=True, editable=False)
    # In a direct room: the other person has blocked this one, who reads and does not write.
    silenced = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["room", "user"], name="one_membership")]


class Block(models.Model):
    """`blocked` cannot add `user` to rooms, open a direct room with them, or write into theirs."""

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
