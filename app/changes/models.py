from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Change(models.Model):
    """One line of the journal: something changed that open sockets must learn of.

    Triggers of the database write the rows (`changes.triggers`), whatever program made the change. The rows refer to nothing,
    so that they outlive a deleted person or room.
    """

    # One of changes.journal.KINDS.
    kind = models.CharField(max_length=8)
    # 0 where the change concerns nobody in particular; likewise the room.
    user_id = models.BigIntegerField(default=0)
    room_id = models.BigIntegerField(default=0)
    # The id of a token, the key of a session, the slug of a room.
    detail = models.CharField(max_length=128, blank=True)
    # By the database's clock; only pruning reads it.
    at = models.DateTimeField(db_default=Now(), db_index=True)
