"""The notes of a room, filtered as people type.

Synchronous, in a database thread.
"""

from __future__ import annotations

from typing import Any

from core.features import RoomList, number_of
from features.notes import services


def _find(user: int, slug: str, query: str, after: str | None, limit: int) -> tuple[list[dict[str, Any]], bool]:
    page = services.note_list(user, slug, before=number_of(after), limit=limit, query=query)
    return page["notes"], page["more"]


NOTES = RoomList("notes", find=_find, place=lambda note: str(note["note"]))
