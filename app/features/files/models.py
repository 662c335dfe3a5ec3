from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from rooms.models import Room


class Upload(models.Model):
    """A file on the disk (disk.py), and the message to which it belongs once sent."""

    # Its public id, and its name on the disk. Random: it tells nothing of other files.
    code = models.CharField(max_length=32, unique=True)
    # Empty once either was deleted: the file then goes, too, unless a message still has it.
    room = models.ForeignKey(Room, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    at = models.DateTimeField(default=timezone.now)
    # The shown name: no path, no characters that hide the type.
    name = models.CharField(max_length=200)
    size = models.BigIntegerField()
    # What its content is; the name decides nothing.
    type = models.CharField(max_length=100)
    # SHA-256 of the content.
    digest = models.CharField(max_length=64)
    # Of an image, as it is shown.
    width = models.IntegerField(null=True)
    height = models.IntegerField(null=True)
    has_thumbnail = models.BooleanField(default=False)
    # The key of its message: with room and owner it names the message. Empty before it is sent.
    key = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["room", "id"], name="files_of_a_room"),
            # What a person has uploaded today.
            models.Index(fields=["owner", "at"], name="files_of_a_person"),
        ]

    def __str__(self) -> str:
        return self.code
