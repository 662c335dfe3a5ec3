from __future__ import annotations

from django.conf import settings
from django.db import models

from rooms.models import Room


class Preferences(models.Model):
    """How a person wants to be told.

    No row: as a new one reads.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+")
    # Of open pages.
    browser = models.BooleanField(default=True)
    sound = models.BooleanField(default=False)
    # Quiet hours as quiet.Quiet has them; an empty zone: none.
    quiet_from = models.CharField(max_length=5, blank=True)
    quiet_to = models.CharField(max_length=5, blank=True)
    quiet_zone = models.CharField(max_length=64, blank=True)
    # off, daily or hourly.
    digest = models.CharField(max_length=8, default="off")
    email = models.CharField(max_length=254, blank=True)
    # Whether the link that was mailed to the address was opened.
    email_confirmed = models.BooleanField(default=False)
    # Language of pushes and mails, as the last change of these settings was made in.
    language = models.CharField(max_length=16, default="en")
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        # The people whom a digest may be due for.
        indexes = [models.Index(fields=["digest", "mailed_at"], name="digests_by_time", condition=~models.Q(digest="off"))]


class RoomLevel(models.Model):
    """A person's level in a room, where it differs from the default."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    level = models.CharField(max_length=8)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["room", "user"], name="one_level")]


class Device(models.Model):
    """A browser that takes Web Push: its address at the push service, and its keys.

    Only the browser can read a push that is encrypted with these keys.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    endpoint = models.CharField(max_length=2_048)
    # SHA-256 of the endpoint: an index of the whole would be large.
    digest = models.CharField(max_length=64, unique=True)
    p256dh = models.CharField(max_length=128)
    auth = models.CharField(max_length=64)
    label = models.CharField(max_length=80, blank=True)
    language = models.CharField(max_length=16, default="en")
    created_at = models.DateTimeField(auto_now_add=True)
    # Of the password that the person had then: another one ends the device. Empty from an earlier release.
    mark = models.CharField(max_length=64, blank=True, default="", db_default="")
    # Since when the push service refuses or does not answer; null: it works.
    failing_since = models.DateTimeField(null=True)


class Progress(models.Model):
    """Up to which seq of a room a person was told by Web Push and by mail."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    pushed = models.BigIntegerField(default=0)
    mailed = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["room", "user"], name="one_progress")]


class Cursor(models.Model):
    """How far a worker's sweep has come, and who may sweep now."""

    name = models.CharField(max_length=16, primary_key=True)
    # Every event up to this time was considered.
    at = models.DateTimeField()
    holder = models.CharField(max_length=32, blank=True)
    held_until = models.DateTimeField(null=True)


class VapidKey(models.Model):
    """One row: the key that proves to push services who sends.

    Devices are bound to it: a new one ends them all.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    # Base64url: the 32 bytes of the private key, the 65 of the public point.
    private = models.CharField(max_length=64)
    public = models.CharField(max_length=128)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="notifications_one_key")]


class Outcome(models.Model):
    """How often each way to notify had each result, for /metrics.

    The background worker has no such page of its own.
    """

    way = models.CharField(max_length=8)
    result = models.CharField(max_length=16)
    number = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["way", "result"], name="one_outcome")]
