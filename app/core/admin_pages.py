"""What the administrator's pages of large tables share: a page costs what it shows, whatever the tables hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.functional import cached_property

# Rows that are counted, and can be turned to; beyond them one searches.
COUNTED = 1_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows[:COUNTED].count())


class LargeTable:
    """Mix into a ModelAdmin. Deletion is confirmed without collecting what hangs on a row: it is done in the background."""

    paginator: Any = BoundedPaginator
    show_full_result_count = False
    #: What the page to confirm a deletion says of each row.
    deletion_note = ""

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Rows, their number, missing permissions, protected rows; as ModelAdmin has it."""
        rows = list(objs)
        meta = rows[0]._meta if rows else self.model._meta  # type: ignore[attr-defined]
        allowed = self.has_delete_permission(request)  # type: ignore[attr-defined]
        missing = set() if allowed else {str(meta.verbose_name)}
        return [f"{row}: {self.deletion_note}" for row in rows], {str(meta.verbose_name_plural): len(rows)}, missing, []
