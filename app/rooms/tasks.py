"""Background work of rooms."""

from __future__ import annotations

from django_tasks import task

from rooms import services


@task()
def removals_prune() -> None:
    """Deletes removals that every process has heard of."""
    services.removals_prune()
