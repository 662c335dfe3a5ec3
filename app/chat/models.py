from __future__ import annotations

from django.conf import settings
from django.db import models

from chat import keys
from rooms.models import Room


class Event(models.Model):
    """One durable event of a room's log.

    Never deleted: `seq` has no holes and a key is stored once for ever.

    A message's row carries its present state (`text`, `edited`, `deleted`, `reactions`); the events that changed it
    follow at their own seq.
    """

    # No index for either alone: both constraints' begin with one, and each more is written with every message.
    room = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="+", db_index=False)
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=32, default="message")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    key = models.CharField(max_length=keys.LONGEST)
    at = models.DateTimeField()
    text = models.TextField(blank=True)
    # The name a room-dialect socket gave itself with /name; the account stays the author.
    alias = models.CharField(max_length=64, blank=True)
    edited = models.BooleanField(default=False)
    deleted = models.BooleanField(default=False)
    reactions = models.JSONField(default=dict)
    # What the kind's payload holds beside its text; empty for messages.
    data = models.JSONField(null=True)
    # The seq of the event that this one amends.
    target = models.BigIntegerField(null=True)
    # How many events of the room, up to and including this one, do not count as unread: `seq - uncounted` is its ordinal
    # among the counted events. The default is right for rows of a release that knew only messages.
    uncounted = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["room", "seq"], name="one_event_a_seq"),
            models.UniqueConstraint(fields=["author", "room", "key"], name="one_event_a_key"),
        ]
        # A room's polls, notes or games without reading its messages. No message and no amending event is in it.
        indexes = [
            models.Index(
                fields=["room", "kind", "seq"],
                name="chat_things",
                condition=~models.Q(kind="message") & models.Q(target__isnull=True),
            )
        ]


class Due(models.Model):
    """A thing on which the server has to act at a time: chat/due.py.

    Written in the commit that changes the thing.
    """

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+", db_index=False)
    seq = models.BigIntegerField()
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["room", "seq"], name="one_due_a_thing")]
