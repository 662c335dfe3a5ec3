"""The one event of a note: that it exists.

What is written in it is no event, see models.py.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from core.features import EventKind

MAX_TITLE = 120
# Only described: a longer title is refused with too_long.
Title = Annotated[str, msgspec.Meta(extra_json_schema={"maxLength": MAX_TITLE, "minLength": 1})]


class Note(msgspec.Struct, frozen=True, tag="note"):
    """Its seq is the note's number on the wire."""

    title: str


NOTE = EventKind(payload=Note, listed=True, counts=True)
