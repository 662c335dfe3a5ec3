"""Background work of the journal."""

from __future__ import annotations

from django_tasks import task

from changes import journal


@task()
def journal_prune() -> int:
    """Delete rows that every process has read; return how many."""
    return journal.prune()
