"""Fill the look column of existing rows during operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction

ROWS = 500


def fill_looks(rows: Any, names: Sequence[str], rename: Callable[[Any, Any], None], look: Callable[[Any], str | None]) -> None:
    """Fill the look of each row, only for the first of look-alikes.

    `rename` may change `names` before.

    A batch of rows per transaction, in the order of their ids; can be repeated after an interruption.
    """
    seen: set[int] = set()
    last = 0
    while batch := list(rows.filter(id__gt=last).order_by("id")[:ROWS]):
        last = batch[-1].pk
        with transaction.atomic(using=rows.db):
            for row in batch:
                _fill(row, names, rows, rename, look, seen)


def _fill(row: Any, names: Sequence[str], rows: Any, rename: Any, look: Any, seen: set[int]) -> None:
    before = [getattr(row, name) for name in names]
    rename(row, rows)
    found = look(row)
    row.look = None if found is None or hash(found) in seen else found
    if found is not None:
        seen.add(hash(found))
    changed = [name for name, value in zip(names, before, strict=True) if getattr(row, name) != value]
    row.save(update_fields=[*changed, "look"])
