"""People who count as online for a moment after their last socket here is gone."""

from __future__ import annotations

from typing import NamedTuple


class Departure(NamedTuple):
    """A person whose last local socket is gone, not announced yet."""

    due: float
    name: str
    away: bool
    announced: bool
    rooms: set[int]
