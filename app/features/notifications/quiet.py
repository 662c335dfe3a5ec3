"""Quiet hours: a span of the day in a person's time zone.

Pure.
"""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import BadFrame
from core.words import words as _

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
LONGEST_ZONE = 64


class Quiet(NamedTuple):
    # `HH:MM` in `zone`. `to` is not within; from after to: over midnight; both the same: the whole day.
    begin: str
    end: str
    zone: str

    def wire(self) -> dict[str, str]:
        return {"from": self.begin, "to": self.end, "zone": self.zone}


def checked(begin: str, end: str, zone: str) -> Quiet:
    """Return the hours.

    Raises BadFrame, naming what is wrong.
    """
    for name, value in (("from", begin), ("to", end)):
        if not _TIME.fullmatch(value):
            raise BadFrame(_("quiet: {name} must be a time such as 22:00", name=name))
    if zone_of(zone) is None:
        raise BadFrame(_("quiet: there is no time zone {zone}", zone=repr(zone[:LONGEST_ZONE])))
    return Quiet(begin, end, zone)


def zone_of(name: str) -> ZoneInfo | None:
    """Return the zone of a name such as Europe/Berlin; None if there is none."""
    try:
        return ZoneInfo(name) if 0 < len(name) <= LONGEST_ZONE else None
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a path, a directory, a file that is no zone
        return None


def is_quiet(hours: Quiet | None, now: datetime) -> bool:
    """Say whether an aware time lies within the hours.

    Where the machine lost the zone they count as UTC.
    """
    if hours is None:
        return False
    local = now.astimezone(zone_of(hours.zone) or ZoneInfo("UTC")).time()
    begin, end = time.fromisoformat(hours.begin), time.fromisoformat(hours.end)
    if begin < end:
        return begin <= local < end
    return local >= begin or local < end
