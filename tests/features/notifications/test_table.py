"""The table of whom to notify is complete.

Pure. test_ways.py drives each way by it.
"""

from __future__ import annotations

from itertools import product

import pytest

from features.notifications.table import DEFAULT, REASONS, SILENT, Level, Way, level_of

pytestmark = pytest.mark.once


def test_table_is_complete() -> None:
    assert set(REASONS) == set(Level)
    assert set(SILENT) == set(Way)
    for rooms in REASONS.values():
        assert {(direct, named) for direct, row in rooms.items() for named in row} == set(product((True, False), repeat=2))


@pytest.mark.parametrize(("direct", "level"), [(True, Level.ALL), (False, Level.MENTIONS)])
def test_room_without_a_level_has_the_default(direct: bool, level: Level) -> None:
    assert level_of(None, direct=direct) == level == DEFAULT[direct]
    assert level_of("of another release", direct=direct) == level
    assert level_of("nothing", direct=direct) == Level.NOTHING
