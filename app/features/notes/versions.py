"""Snapshots and versions of notes.

Synchronous: the background worker makes them, and reads are in a database thread.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from core.errors import NoSuchTarget
from core.word_filter import folded
from core.words import words as _
from features.notes import crdt
from features.notes.models import Document, Update, Version
from features.notes.services import document_of, names_of, whole

# Updates above the snapshot that call for a new one.
COMPACT_AFTER = 500
# Updates in the snapshot stay for processes that have to push them still.
KEEP = timedelta(minutes=2)
VERSION_EVERY = timedelta(minutes=10)
VERSIONS = 200
DOCUMENTS = 200


def note_compact(document: int, *, version: bool = False) -> bool:
    """Put all updates into the snapshot, and return whether that changed anything.

    Make a version when it is time, or at once if `version` is true. Edits go on meanwhile: only the last step locks the note.
    Of two calls at once, one changes nothing.
    """
    found = Document.objects.filter(id=document).defer("snapshot", "text", "folded").first()
    if found is None or (found.snapshot_upto >= found.head and found.version_upto >= found.head):
        return False
    update, newest = whole(document)
    made = crdt.compacted(update)
    new = Update.objects.filter(document=document, number__gt=found.snapshot_upto, number__lte=newest)
    writers = sorted({*found.writers, *new.values_list("author", flat=True)})
    with transaction.atomic():
        locked = Document.objects.select_for_update().defer("snapshot", "text", "folded").get(id=document)
        if locked.snapshot_upto != found.snapshot_upto or locked.version != found.version:
            return False
        locked.snapshot, locked.snapshot_upto, locked.text, locked.writers = made.update, newest, made.text, writers
        locked.folded, locked.folded_upto = folded(made.text), newest
        waiting = Update.objects.filter(document=document, number__gt=newest).values_list("data", flat=True)
        locked.size = len(made.update) + sum(len(data) for data in waiting)
        if version or _version_is_due(locked):
            _version_add(locked)
        locked.save()
    Update.objects.filter(document=document, number__lte=newest, at__lt=timezone.now() - KEEP).delete()
    return True


def _version_is_due(document: Document) -> bool:
    return document.version_at is None or document.version_at < timezone.now() - VERSION_EVERY


def _version_add(document: Document) -> None:
    """Keep the present text with its writers, unless it equals the previous version."""
    document.version_upto, document.version_at = document.snapshot_upto, timezone.now()
    before = Version.objects.filter(document=document, number=document.version).values_list("text", flat=True).first()
    if before == document.text or (before is None and not document.text):
        return
    document.version += 1
    fields: dict[str, Any] = {"at": document.version_at, "authors": document.writers, "text": document.text}
    Version.objects.create(document=document, number=document.version, **fields)
    document.writers = []
    _version_prune(document)


def _version_prune(document: Document) -> None:
    """Drop a version beyond VERSIONS: the one soonest after another, else the oldest.

    Only restores make versions within VERSION_EVERY, and many of them must not erase the history before them.
    """
    kept = list(Version.objects.filter(document=document).order_by("number").values_list("number", "at"))
    if len(kept) <= VERSIONS:
        return
    gaps = ((at - before, index) for index, ((_, before), (_, at)) in enumerate(pairwise(kept[:-1]), 1))
    gap, index = min(gaps)
    if gap >= VERSION_EVERY:
        index = 0
    dropped = Version.objects.get(document=document, number=kept[index][0])
    if index:
        following = Version.objects.filter(document=document, number=kept[index + 1][0])
        following.update(authors=sorted({*dropped.authors, *following.get().authors}))
    dropped.delete()


def notes_compact() -> int:
    """Compact the notes that were edited since their last version.

    Return how many. Texts that an earlier release stored are folded, too.
    """
    _fold()
    edited = Document.objects.filter(head__gt=F("version_upto")).order_by("id").values_list("id", flat=True)
    return sum(note_compact(document) for document in list(edited[:DOCUMENTS]))


def _fold() -> None:
    stored = Document.objects.filter(folded_upto__lt=F("snapshot_upto")).values_list("id", "snapshot_upto", "text")
    for number, newest, text in list(stored.order_by("id")[:DOCUMENTS]):
        Document.objects.filter(id=number, snapshot_upto=newest).update(folded=folded(text), folded_upto=newest)


def version_list(user: int, slug: str, seq: int, *, before: int | None, limit: int) -> dict[str, Any]:
    """List a note's versions, the newest first.

    Raises as document_of does.
    """
    room, document = document_of(user, slug, seq)
    found = Version.objects.filter(document=document)
    if before is not None:
        found = found.filter(number__lt=before)
    rows = list(found.order_by("-number").values_list("number", "at", "authors")[: limit + 1])
    names = names_of({author for _, _, authors in rows for author in authors})
    versions = [
        {"version": number, "at": at, "authors": [{"id": author, "name": names[author]} for author in authors]}
        for number, at, authors in rows[:limit]
    ]
    return {"room": room.slug, "note": seq, "versions": versions, "more": len(rows) > limit}


def version_read(user: int, slug: str, seq: int, number: int) -> dict[str, Any]:
    """Return a version with its text.

    Raises as document_of does, and NoSuchTarget.
    """
    room, document = document_of(user, slug, seq)
    found = Version.objects.filter(document=document, number=number).first()
    if found is None:
        raise NoSuchTarget(_("the note has no version {number}", number=number))
    names = names_of(set(found.authors))
    authors = [{"id": author, "name": names[author]} for author in found.authors]
    return {"room": room.slug, "note": seq, "version": number, "at": found.at, "authors": authors, "text": found.text}


def restoring_update(user: int, slug: str, seq: int, number: int) -> bytes:
    """Return the update that gives the note a version's text again.

    The present text becomes a version first.
    """
    _, document = document_of(user, slug, seq)
    wanted = version_read(user, slug, seq, number)["text"]
    note_compact(document.id, version=True)
    return crdt.replaced(whole(document.id)[0], wanted)
