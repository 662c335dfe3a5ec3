from __future__ import annotations

from django.db import models

LONGEST_WORD = 64


class Word(models.Model):
    """A word of some message, for questions that hold a part of it.

    Only on Postgres; it says nothing of who wrote it.
    """

    word = models.CharField(max_length=LONGEST_WORD, primary_key=True)


class Progress(models.Model):
    """One row: how far messages are entered in search_entry, and their words in Word.

    Both by id of the event.

    `upto` is the older releases'. The table search_entry, on Postgres only, is made in migrations/0003_entries.py.
    """

    upto = models.BigIntegerField(default=0)
    entered = models.BigIntegerField(default=0, db_default=0)
    paused_until = models.DateTimeField(null=True)
