"""Background work of rooms."""

from __future__ import annotations

from django_tasks import task

from rooms import quotas, services


@task()
def removals_prune() -> None:
    """Deletes removals that every process has heard of."""
    services.removals_prune()


@task()
def quotas_prune() -> None:
    """Deletes counts of hours and days that are over."""
    quotas.quotas_prune()
