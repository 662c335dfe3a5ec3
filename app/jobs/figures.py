"""Figures that only the database knows: background tasks, backup, archive."""

from __future__ import annotations

from django.db.models import Count, Min
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from core import metrics
from db import archiver, installation

STATES = ("READY", "RUNNING", "FAILED", "SUCCESSFUL")


def measure_tasks() -> None:
    """Count background tasks by state, and measure how long the oldest one waits.

    Synchronous, in a database thread. Finished tasks are kept for a week.
    """
    found = dict.fromkeys(STATES, 0)
    found |= dict(DBTaskResult.objects.order_by().values_list("status").annotate(Count("id")))
    for state in STATES:
        metrics.TASKS.labels(state.lower()).set(found[state])
    oldest = DBTaskResult.objects.ready().aggregate(at=Min("enqueued_at"))["at"]
    metrics.TASKS_WAIT.set(max(0.0, (timezone.now() - oldest).total_seconds()) if oldest else 0)


def measure_backup() -> None:
    """Set the gauge of the newest verified backup; it is absent while there was none.

    Synchronous, in a database thread.
    """
    at = installation.backed_up_at()
    metrics.BACKED_UP.value = at.timestamp() if at else None


def measure_archive() -> None:
    """Set the gauge of Postgres's archiver.

    Synchronous, in a database thread.
    """
    metrics.ARCHIVE_FAILING.set(archiver.measure().fails)
