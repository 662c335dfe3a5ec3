from __future__ import annotations

from django.conf import settings
from django.db import models

from rooms.models import Room


class Sensor(models.Model):
    """A sensor of a room: made by its first reading."""

    # None once an owner has removed it: the background worker deletes its readings in pieces, then the row.
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+", db_index=False, null=True)
    sensor_id = models.CharField(max_length=64)
    # The latest reading by its own time, in milliseconds since 1970.
    last_at = models.BigIntegerField(default=0)
    last_value = models.FloatField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["room", "sensor_id"], name="one_sensor_an_id")]


class Reading(models.Model):
    """One value.

    `at`: milliseconds since 1970. No second index: each would be written with every reading.
    """

    pk = models.CompositePrimaryKey("sensor_id", "at")
    sensor = models.ForeignKey(Sensor, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.BigIntegerField()
    value = models.FloatField()


class Bucket(models.Model):
    """The readings of a minute or an hour, written in the commit of the readings."""

    pk = models.CompositePrimaryKey("sensor_id", "step", "at")
    sensor = models.ForeignKey(Sensor, on_delete=models.CASCADE, related_name="+", db_index=False)
    # In seconds, either 60 or 3600.
    step = models.IntegerField()
    # Its begin, in milliseconds since 1970.
    at = models.BigIntegerField()
    count = models.BigIntegerField()
    total = models.FloatField()
    low = models.FloatField()
    high = models.FloatField()


class Device(models.Model):
    """A program that pushes readings into one room with a token of its own.

    Only the token's SHA-256 is kept.
    """

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+")
    # The account that its sockets are of: it cannot sign in and is in no list of people. Its end closes them.
    bot = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)
    # It may push while this person may write in the room.
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(null=True)


class Alarm(models.Model):
    """A sensor's alarm.

    Its message is written in the name of the owner who set it, or of another once that one has left.
    """

    sensor = models.OneToOneField(Sensor, on_delete=models.CASCADE, related_name="alarm")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    above = models.FloatField(null=True)
    below = models.FloatField(null=True)
    # How far a value must come back before the alarm is over.
    hysteresis = models.FloatField(default=0)
    # Seconds without a reading that raise it; null: never.
    silent_s = models.IntegerField(null=True)
    # "", "above", "below" or "silent".
    state = models.CharField(max_length=8, blank=True, default="")
    # Language of the alarm's messages: the page's language when the alarm was set.
    language = models.CharField(max_length=16, default="en", db_default="en")
    # How often the state has changed: the idempotency key of each change's message.
    changes = models.IntegerField(default=0)
