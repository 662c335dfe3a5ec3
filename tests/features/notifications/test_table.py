"""Who is notified of a message, and how: the whole table against the rules.

Pure.
"""

from __future__ import annotations

from itertools import chain, combinations, product

import pytest

from features.notifications.table import DEFAULT, REASONS, SILENT, Fact, Level, Reason, Way, level_of, reason_for, tells

pytestmark = pytest.mark.once

CIRCUMSTANCES = [set(some) for some in chain.from_iterable(combinations(Fact, number) for number in range(len(Fact) + 1))]
ROWS = list(product(Level, (True, False), (True, False)))


def rule(level: Level, direct: bool, named: bool) -> Reason | None:
    """What docs/features/notifications.md says."""
    if level == Level.NOTHING:
        return None
    if level == Level.MENTIONS:
        return Reason.MENTION if named else None
    if direct:
        return Reason.DIRECT
    return Reason.MENTION if named else Reason.ALL


def silent(way: Way, facts: set[Fact]) -> bool:
    if facts & {Fact.OWN, Fact.BLOCKED, Fact.DELETED, Fact.READ, Fact.TOLD, Fact.UNUSED}:
        return True
    if way == Way.MAIL:
        return False
    return Fact.QUIET in facts or (way == Way.PUSH and Fact.CLAIMED in facts)


@pytest.mark.parametrize(("level", "direct", "named"), ROWS)
@pytest.mark.parametrize("way", Way)
def test_every_row_tells_as_the_rules_say(level: Level, direct: bool, named: bool, way: Way) -> None:
    reason = reason_for(level, direct=direct, named=named)
    assert reason == rule(level, direct, named)
    for facts in CIRCUMSTANCES:
        assert tells(way, facts) is not silent(way, facts), (way, facts)


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
