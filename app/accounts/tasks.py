"""Background work of accounts."""

from __future__ import annotations

from django.core.management import call_command
from django_tasks import task

from accounts import services


@task()
def expired_prune() -> int:
    """Delete expired tickets and sessions; return how many tickets."""
    call_command("clearsessions")
    return services.expired_prune()
