"""People whose last socket in this process is gone, but who still count as online here for a moment."""

from __future__ import annotations

from typing import NamedTuple


class Departure(NamedTuple):
    """A person whose last local socket is gone, not announced yet."""

    due: float
    name: str
    away: bool
    announced: bool
    rooms: set[int]
