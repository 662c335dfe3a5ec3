from __future__ import annotations

from django.conf import settings
from django.db import models

from rooms.models import Room


class Hook(models.Model):
    """An address to which another program posts messages into a room.

    Only the token's SHA-256 is kept.
    """

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+")
    # The account that its messages are of: it cannot sign in and is in no list of people.
    bot = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    # Messages that came through it, and when the latest did.
    posts = models.PositiveBigIntegerField(default=0, db_default=0)
    last_used_at = models.DateTimeField(null=True)
