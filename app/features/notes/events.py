"""The one event of a note: that it exists.

What is written in it is no event, see models.py.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from core.features import EventKind

MAX_TITLE = 120
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TITLE)]


class Note(msgspec.Struct, frozen=True, tag="note"):
    """Its seq is the note's number on the wire."""

    title: str


NOTE = EventKind(payload=Note, listed=True, counts=True)
