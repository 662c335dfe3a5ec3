"""Remove files without a reader.

Each step can be repeated: a worker that ends in the middle loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from features.files import disk, services
from features.files.metrics import REMOVED
from features.files.models import Upload
from features.files.uploads import WITHIN_S

# An upload that no message has is kept for so long: its sender may be offline.
KEPT = timedelta(days=1)
# A file without a row: mostly a restore took the row away, and may be undone.
UNKNOWN_KEPT = timedelta(days=30)
PAGE = 500
EVERY_S = 900


def files_clean(*, kept: timedelta = KEPT, unknown_kept: timedelta = UNKNOWN_KEPT) -> int:
    """Remove the files that belong to no message, and return their number.

    They are files unsent for `kept`, files of deleted messages and rooms, and remains of a killed process: files without a row,
    after `unknown_kept`.
    """
    unsent = sum(_remove(page, "unsent", key="") for page in _pages(Q(key="", at__lt=timezone.now() - kept)))
    homeless = sum(_remove(page, "room") for page in _pages(Q(room=None)))
    deleted = sum(_remove(page, "deleted") for page in _pages(Q(gone=True)))
    # Claimed by a message that never came.
    never = sum(_remove(page, "unsent") for page in _pages(Q(seq=None, at__lt=timezone.now() - kept)))
    left = disk.sweep_incoming(2 * WITHIN_S)
    unknown = sum(_remove_unknown(codes) for codes in disk.stored_codes(int(time.time() / EVERY_S), unknown_kept.total_seconds()))
    REMOVED.labels("unfinished").inc(left + unknown)
    return unsent + homeless + deleted + never + left + unknown


def _pages(which: Q) -> Iterator[list[tuple[int, str]]]:
    """Yield ids and codes of the matching uploads, one page of all uploads at a time.

    So no query reads a whole large table.
    """
    last = 0
    while ids := list(Upload.objects.filter(id__gt=last).order_by("id").values_list("id", flat=True)[:PAGE]):
        found = list(services.with_message().filter(which, id__gt=last, id__lte=ids[-1]).values_list("id", "code"))
        if found:
            yield found
        last = ids[-1]


def _remove(page: list[tuple[int, str]], reason: str, **still: str) -> int:
    """Remove the rows, then the files: a row without a file would promise one.

    `still`: what must be true of a row yet.
    """
    gone = 0
    for number, code in page:
        if Upload.objects.filter(id=number, **still).delete()[0]:
            disk.remove(code)
            gone += 1
    REMOVED.labels(reason).inc(gone)
    return gone


def _remove_unknown(codes: list[str]) -> int:
    """Remove the files that have no row, and return their number.

    Their upload ended between the disk and the database.
    """
    known = set(Upload.objects.filter(code__in=codes).values_list("code", flat=True))
    for code in codes:
        if code not in known:
            disk.remove(code)
    return len(codes) - len(known)
