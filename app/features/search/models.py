from __future__ import annotations

from django.db import models

LONGEST_WORD = 64


class Word(models.Model):
    """A word of some message, for questions that hold a part of it. Only on Postgres; it says nothing of who wrote it."""

    word = models.CharField(max_length=LONGEST_WORD, primary_key=True)


class Progress(models.Model):
    """One row: the words of all messages up to this id of an event are in Word."""

    upto = models.BigIntegerField(default=0)
