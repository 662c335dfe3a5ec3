from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class FeatureOff(models.Model):
    """A feature that an administrator has switched off for the whole installation.

    No row: it is on.

    Triggers (changes.triggers) note each row that comes or goes, so that all processes learn of it.
    """

    name = models.CharField(max_length=64, primary_key=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(db_default=Now())
