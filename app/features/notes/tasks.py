"""Background work on notes."""

from __future__ import annotations

from django_tasks import task

from features.notes import versions


@task()
def notes_compact() -> int:
    """Compact the notes that were edited, and keep versions of them; returns how many."""
    return versions.notes_compact()


@task()
def note_compact(document: int) -> bool:
    """Compact one note with many updates, or without editors."""
    return versions.note_compact(document)
