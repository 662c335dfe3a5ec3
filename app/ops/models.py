from __future__ import annotations

from django.db import models


class Installation(models.Model):
    """One row: this installation's id in shared services, and the epoch of its logs.

    It has the time of the newest verified backup, too. db/installation.py reads and changes it.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    identity = models.CharField(max_length=64)
    epoch = models.CharField(max_length=16, db_default="")
    # Null while no verified backup was ever made.
    backed_up_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="ops_installation_one_row"),)
