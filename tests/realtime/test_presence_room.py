"""Presence of one room, and the changes since its last frame."""

from typing import Any

import pytest

from realtime.presence.room import LISTED, NAMES_UP_TO, RoomPresence

pytestmark = pytest.mark.once

NAMES = {1: "ada", 2: "Bob", 3: "eve"}
ADA, BOB, EVE = 1, 2, 3


def name_of(user: int) -> str:
    return NAMES.get(user, f"p{user:04}")


def active(*users: int) -> RoomPresence:
    room = RoomPresence()
    room.activate(dict.fromkeys(users, False))
    return room


def update(room: RoomPresence, user: int, away: bool | None) -> bool:
    return room.update(user, away, name_of(user))


def named(*users: int) -> list[dict[str, Any]]:
    return [{"id": user, "name": name_of(user)} for user in users]


def test_change_is_announced_once() -> None:
    room = active(ADA)
    assert update(room, BOB, False)
    assert not update(room, BOB, False)
    assert room.take_change(name_of) == {"online_count": 2, "joined": named(BOB), "left": []}
    assert room.take_change(name_of) is None
    update(room, ADA, None)
    assert room.take_change(name_of) == {"online_count": 1, "joined": [], "left": named(ADA)}


def test_join_and_leave_between_two_frames_are_not_sent() -> None:
    room = active(ADA)
    update(room, BOB, False)
    update(room, BOB, None)
    update(room, ADA, True)
    update(room, ADA, False)
    assert room.take_change(name_of) is None


def test_away_and_back_are_sent_by_id() -> None:
    room = active(ADA, BOB)
    update(room, BOB, True)
    assert room.take_change(name_of) == {"online_count": 2, "joined": [], "left": [], "away": [BOB]}
    update(room, BOB, False)
    assert room.take_change(name_of) == {"online_count": 2, "joined": [], "left": [], "back": [BOB]}


def test_user_who_joins_away_is_joined_and_away() -> None:
    room = active(ADA)
    update(room, BOB, True)
    assert room.take_change(name_of) == {"online_count": 2, "joined": named(BOB), "left": [], "away": [BOB]}


def test_socket_that_joined_meanwhile_gets_returning_user() -> None:
    """Only the socket that joined meanwhile saw the room without Eve."""
    room = active(ADA, EVE)
    update(room, EVE, None)
    assert room.snapshot(name_of, 0.0) == (1, named(ADA), [])
    update(room, EVE, False)
    assert room.take_change(name_of) == {"online_count": 2, "joined": named(EVE), "left": [], "back": [EVE]}


def test_snapshot_sorts_names_and_marks_away_users() -> None:
    room = active(EVE, BOB, ADA)
    update(room, EVE, True)
    assert room.snapshot(name_of, 0.0) == (3, named(ADA, BOB, EVE), [EVE])


def test_crowd_is_counted_and_not_named() -> None:
    room = active(*range(1, NAMES_UP_TO + 1))
    assert len(room.snapshot(name_of, 0.0)[1]) == LISTED
    update(room, 9999, False)
    assert room.take_change(name_of) == {"online_count": NAMES_UP_TO + 1, "joined": [], "left": []}
    update(room, 9999, True)
    assert room.take_change(name_of) is None, "a crowd is announced by its count only"


def test_crowd_that_shrinks_is_named_again() -> None:
    """Leaves meanwhile were not announced: the first frame with names has all names."""
    room = active(*range(1, NAMES_UP_TO + 2))
    update(room, 7, True)
    assert room.take_change(name_of) is None
    update(room, 200, None)
    change = room.take_change(name_of)
    assert change is not None
    assert [person["id"] for person in change["joined"]] == [*range(1, 200), 201]
    assert change["away"] == [7]


def test_crowd_is_listed_anew_once_a_second() -> None:
    room = active(*range(1, NAMES_UP_TO + 4))
    assert room.snapshot(name_of, 0.0)[1][0] == named(ADA)[0]
    update(room, ADA, None)
    assert room.snapshot(name_of, 0.5)[1][0] == named(ADA)[0], "sorting a crowd for each join is too expensive"
    assert room.snapshot(name_of, 1.5)[1][0] == named(BOB)[0]


def test_inactive_room_keeps_no_users() -> None:
    room = active(ADA, BOB)
    update(room, BOB, None)
    room.deactivate()
    assert (room.online, room.dirty, room.active) == ({}, {}, False)
