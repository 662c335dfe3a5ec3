"""Tables for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from django.http import HttpResponse

# A spreadsheet takes a cell that begins so for a formula, and runs it on its reader's machine.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
            "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip


def csv_of(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV.

    It begins with a byte order mark, without which spreadsheets misread anything but ASCII.
    """
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    for row in rows:
        lines.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in row])
    return "\N{BOM}" + text.getvalue()


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


def csv_response(text: str, name: str) -> HttpResponse:
    """Answer a request with CSV, as a file of that name."""
    disposition = f'attachment; filename="{name}.csv"'
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": disposition})
