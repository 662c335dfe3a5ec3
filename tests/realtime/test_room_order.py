"""A room delivers events by seq, each once, in any order of arrival.

Ahead of a gap its buffer is bounded.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.limits import LIMITS
from realtime.events import Head, LogEvent, RoomRef
from realtime.live_room import LiveRoom

pytestmark = pytest.mark.once


def event(seq: int) -> LogEvent:
    return LogEvent(seq, f'{{"seq":{seq}}}', author=1, key=str(seq))


def seqs(events: list[LogEvent]) -> list[int]:
    return [each.seq for each in events]


def room_at(head: int) -> LiveRoom:
    room = LiveRoom(RoomRef(1, "room", direct=False))
    room.skip_to(Head(head))
    return room


@given(st.data())
def test_doubled_and_reordered_events_are_delivered_once(data: st.DataObject) -> None:
    head = data.draw(st.integers(0, 5))
    wanted = list(range(head + 1, head + 1 + data.draw(st.integers(1, 12))))
    doubled = wanted + data.draw(st.lists(st.sampled_from([*range(1, head + 1), *wanted]), max_size=10))
    arrivals = data.draw(st.permutations(doubled))
    room, passed = room_at(head), []
    while arrivals:
        size = data.draw(st.integers(1, len(arrivals)))
        passed += seqs(room.sequence([event(seq) for seq in arrivals[:size]]))
        arrivals = arrivals[size:]
    assert passed == wanted
    assert (room.last_seq, room.pending) == (wanted[-1], {})


def test_gap_holds_back_later_events() -> None:
    room = room_at(10)
    assert seqs(room.sequence([event(12), event(13)])) == []
    assert room.last_seq == 10
    assert seqs(room.sequence([event(11)])) == [11, 12, 13]


def test_batch_is_delivered_up_to_its_gap() -> None:
    room = room_at(0)
    assert seqs(room.sequence([event(1), event(2), event(4)])) == [1, 2]
    assert list(room.pending) == [4]


def test_events_behind_a_gap_are_bounded() -> None:
    room = room_at(0)
    assert room.sequence([event(seq) for seq in range(2, 3 * LIMITS.held_events)]) == []
    assert len(room.pending) <= LIMITS.held_events
    # The log is read from the gap on and contains the dropped events.
    assert seqs(room.sequence([event(seq) for seq in range(1, 3 * LIMITS.held_events)]))[-1] >= LIMITS.held_events


def test_skip_forgets_lower_events() -> None:
    room = room_at(0)
    room.sequence([event(3), event(9)])
    room.skip_to(Head(7))
    assert (room.last_seq, list(room.pending)) == (7, [9])
    room.skip_to(Head(2))
    assert room.last_seq == 7
    assert seqs(room.sequence([event(8)])) == [8, 9]
