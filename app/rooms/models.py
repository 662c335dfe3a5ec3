from __future__ import annotations

from django.conf import settings
from django.db import models


class Kind(models.TextChoices):
    PUBLIC = "public"
    PRIVATE = "private"
    DIRECT = "direct"


class Role(models.TextChoices):
    OWNER = "owner"
    MEMBER = "member"


class Room(models.Model):
    """A room and the head of its log. `slug` never changes: it is the room's name on the wire."""

    slug = models.CharField(max_length=64, unique=True)
    title = models.CharField(max_length=120, blank=True)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.PUBLIC)
    head = models.BigIntegerField(default=0)
    """seq of the last committed event; the row's lock gives the next one out."""
    last_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.slug


class Removal(models.Model):
    """That somebody stopped being a member, for the processes whose sockets the signal did not reach."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(auto_now_add=True, db_index=True)


class Membership(models.Model):
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="memberships", db_index=False)  # the constraint has one
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.MEMBER)
    upto = models.BigIntegerField(default=0)
    """Read mark: the highest seq the person has seen. It never goes back."""
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["room", "user"], name="one_membership")]
