"""Quiet hours in a time zone.

Pure.
"""

from __future__ import annotations

from datetime import datetime

import pytest

from core.errors import BadFrame
from features.notifications.quiet import Quiet, checked, is_quiet

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("hours", "now", "expected"),
    [
        (("22:00", "07:00", "Europe/Berlin"), "2026-11-30T21:00:00+00:00", True),
        (("22:00", "07:00", "Europe/Berlin"), "2026-11-30T20:59:59+00:00", False),
        (("22:00", "07:00", "Europe/Berlin"), "2026-12-01T05:59:59+00:00", True),
        (("22:00", "07:00", "Europe/Berlin"), "2026-12-01T06:00:00+00:00", False),
        (("22:00", "07:00", "Europe/Berlin"), "2026-07-01T20:00:00+00:00", True),  # two hours ahead in summer
        (("12:00", "13:00", "Asia/Kolkata"), "2026-11-30T06:30:00+00:00", True),  # and half an hour
        (("12:00", "13:00", "Asia/Kolkata"), "2026-11-30T07:30:00+00:00", False),
        (("08:00", "08:00", "UTC"), "2026-11-30T03:00:00+00:00", True),
        (("22:00", "23:00", "No/Longer"), "2026-11-30T22:30:00+00:00", True),
    ],
)
def test_hours_hold_in_their_zone(hours: tuple[str, str, str], now: str, expected: bool) -> None:
    assert is_quiet(Quiet(*hours), datetime.fromisoformat(now)) is expected


def test_person_without_quiet_hours_is_never_quiet() -> None:
    assert not is_quiet(None, datetime.fromisoformat("2026-11-30T22:30:00+00:00"))


@pytest.mark.parametrize(
    ("hours", "reason"),
    [
        (("24:00", "07:00", "UTC"), "from must be a time"),
        (("22:00", "7:00", "UTC"), "to must be a time"),
        (("22:00", "07:60", "UTC"), "to must be a time"),
        (("22:00", "07:00", ""), "no time zone"),
        (("22:00", "07:00", "Europe"), "no time zone"),
        (("22:00", "07:00", "../../etc/passwd"), "no time zone"),
        (("22:00", "07:00", "/etc/localtime"), "no time zone"),
        (("22:00", "07:00", "x" * 300), "no time zone"),
    ],
)
def test_wrong_hours_are_refused_by_name(hours: tuple[str, str, str], reason: str) -> None:
    with pytest.raises(BadFrame, match=reason):
        checked(*hours)
