"""Background work on files."""

from __future__ import annotations

from django_tasks import task

from features.files import cleaning


@task()
def files_clean() -> int:
    """Remove files without a reader; returns how many."""
    return cleaning.files_clean()
