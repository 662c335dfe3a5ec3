"""Background work of rooms."""

from __future__ import annotations

from django_tasks import task

from rooms import quotas, services


@task()
def removals_prune() -> None:
    """Delete removals that every process has handled."""
    services.removals_prune()


@task()
def quotas_prune() -> None:
    """Delete counts of past hours and days."""
    quotas.quotas_prune()
