from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Change(models.Model):
    """One row of the journal: a change that open sockets must learn of.

    Database triggers write the rows (`changes.triggers`) for any program. They have no foreign keys, so that they outlive a
    deleted person or room.
    """

    # One of changes.journal.KINDS.
    kind = models.CharField(max_length=8)
    # 0 if the change concerns no person in particular; likewise the room.
    user_id = models.BigIntegerField(default=0)
    room_id = models.BigIntegerField(default=0)
    # The id of a token, the key of a session, the slug of a room.
    detail = models.CharField(max_length=128, blank=True)
    # The database's clock; used only for pruning.
    at = models.DateTimeField(db_default=Now(), db_index=True)
