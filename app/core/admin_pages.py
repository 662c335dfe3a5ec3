"""Admin pages of large tables: the cost of a page does not grow with the table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.functional import cached_property

# Rows counted and paged through; search finds the others.
COUNTED = 1_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows[:COUNTED].count())


class LargeTable:
    """Mix into a ModelAdmin.

    Confirms a deletion without collecting related rows, which are deleted in the background.
    """

    paginator: Any = BoundedPaginator
    show_full_result_count = False
    # Shown for each row on the page that confirms a deletion.
    deletion_note: Any = ""

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Return rows, their number, missing permissions and protected rows."""
        rows = list(objs)
        meta = rows[0]._meta if rows else self.model._meta  # type: ignore[attr-defined]
        allowed = self.has_delete_permission(request)  # type: ignore[attr-defined]
        missing = set() if allowed else {str(meta.verbose_name)}
        return [f"{row}: {self.deletion_note}" for row in rows], {str(meta.verbose_name_plural): len(rows)}, missing, []
