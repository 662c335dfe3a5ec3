from __future__ import annotations

from django.db import models
from django.utils import timezone

from rooms.models import Room


class Document(models.Model):
    """A note: its newest snapshot, and counters.

    People are named by id without a foreign key: text outlives an account.
    """

    # No index of its own: the constraint's begins with the room.
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+", db_index=False)
    # The seq of the event `note`.
    seq = models.BigIntegerField()
    title = models.CharField(max_length=120)
    author = models.BigIntegerField()
    at = models.DateTimeField(default=timezone.now)
    # Number of the newest update.
    head = models.BigIntegerField(default=0)
    # Bytes of the snapshot and of the updates above it.
    size = models.BigIntegerField(default=0)
    # All updates up to `snapshot_upto` in one.
    snapshot = models.BinaryField(default=bytes)
    snapshot_upto = models.BigIntegerField(default=0)
    # The text of the newest snapshot: for search and lists.
    text = models.TextField(blank=True)
    # The same without case and spelling variants, as of `folded_upto`: an earlier release writes the text alone.
    folded = models.TextField(blank=True, default="", db_default="")
    folded_upto = models.BigIntegerField(default=-1, db_default=-1)
    edited_at = models.DateTimeField(null=True)
    # The newest version, the number of its newest update, and the people who have written since.
    version = models.IntegerField(default=0)
    version_upto = models.BigIntegerField(default=0)
    version_at = models.DateTimeField(null=True)
    writers = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["room", "seq"], name="one_document_a_note")]


class Update(models.Model):
    """One update of a client, stored before it is acknowledged.

    Deleted some time after a snapshot holds it.
    """

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="updates", db_index=False)
    number = models.BigIntegerField()
    author = models.BigIntegerField()
    at = models.DateTimeField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["document", "number"], name="one_update_a_number")]


class Version(models.Model):
    """A note's text at a time, and the people who wrote since the version before."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="versions", db_index=False)
    number = models.IntegerField()
    at = models.DateTimeField()
    authors = models.JSONField(default=list)
    text = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["document", "number"], name="one_version_a_number")]
