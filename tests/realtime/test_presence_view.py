"""One room's people, counted over sockets and processes, and what changed since it was last told."""

import time
from types import SimpleNamespace

import pytest

from ops.redis_urls import ANSWER_S
from realtime.events import Person
from realtime.presence import LISTED, NAMES_UP_TO, WRITTEN_S, RoomPresence

ADA, BOB, EVE = Person(1, "ada"), Person(2, "Bob"), Person(3, "eve")


def named(*people: Person) -> list[dict[str, object]]:
    return [{"id": person.id, "name": person.name} for person in people]


def test_sockets_of_one_person_are_one() -> None:
    room = RoomPresence()
    assert [room.join(ADA), room.join(ADA), room.join(BOB)] == [True, False, True]
    assert (room.count(), room.listed()) == (2, named(ADA, BOB))
    assert [room.leave(ADA), room.leave(ADA), room.leave(ADA)] == [False, True, False]
    assert room.listed() == named(BOB)


def test_changes_are_told_once() -> None:
    room = RoomPresence()
    room.join(ADA)
    assert room.take_change() == {"online_count": 1, "joined": named(ADA), "left": []}
    assert room.take_change() is None
    room.join(BOB)
    room.leave(ADA)
    assert room.take_change() == {"online_count": 1, "joined": named(BOB), "left": named(ADA)}


def test_coming_and_going_between_two_tellings_is_nothing() -> None:
    room = RoomPresence()
    room.join(ADA)
    room.take_change()
    room.join(BOB)
    room.leave(BOB)
    assert room.take_change() is None


def test_who_joined_while_some_were_away_hears_that_they_are_back() -> None:
    """All are back before the room was told that they had gone: only the one who joined meanwhile saw it."""
    room = RoomPresence()
    room.join(ADA)
    room.change_remote("other", [EVE], [])
    room.take_change()
    room.change_remote("other", [], [EVE.id])
    room.join(BOB)
    assert room.show() == (2, named(ADA, BOB))
    room.change_remote("third", [EVE], [])
    room.leave(BOB)
    assert room.show() == (2, named(ADA, EVE))
    assert room.due
    assert room.take_change() == {"online_count": 2, "joined": named(EVE), "left": named(BOB)}
    assert room.take_change() is None


def test_a_person_on_two_processes_is_one() -> None:
    room = RoomPresence()
    room.join(ADA)
    room.change_remote("other", [ADA, BOB], [])
    assert room.count() == 2
    room.take_change()
    room.leave(ADA)
    assert room.take_change() is None
    room.change_remote("other", [], [ADA.id])
    assert room.take_change() == {"online_count": 1, "joined": [], "left": named(ADA)}
    room.replace_remote({}, asked_at=time.monotonic() + 2 * WRITTEN_S, alive={"other"})
    assert room.take_change() == {"online_count": 0, "joined": [], "left": named(BOB)}


def test_what_was_told_while_redis_was_asked_counts_for_more_than_its_answer() -> None:
    """The answer may be older, and who came would be told as gone until Redis is asked again."""
    room = RoomPresence()
    asked_at = time.monotonic()
    room.change_remote("other", [BOB, EVE], [])
    room.change_remote("other", [], [EVE.id])
    room.replace_remote({"other": {EVE.id: EVE.name, ADA.id: ADA.name}}, asked_at, {"other"})
    assert room.online() == {ADA.id, BOB.id}
    room.replace_remote({"other": {EVE.id: EVE.name}}, asked_at + 2 * WRITTEN_S, {"other"})
    assert room.online() == {EVE.id}, "a message may have been lost: in the end it is Redis that knows"


def test_the_word_of_a_process_that_is_gone_goes_with_it() -> None:
    room = RoomPresence()
    asked_at = time.monotonic()
    room.change_remote("other", [BOB], [])
    room.change_remote("third", [EVE], [])
    room.replace_remote({}, asked_at, {"third"})
    assert room.online() == {EVE.id}
    room.forget_processes({"third"})
    room.replace_remote({}, asked_at, {"third"})
    assert room.online() == set()


def test_what_was_told_is_not_kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    room = RoomPresence()
    for second in range(100):
        monkeypatch.setattr("realtime.presence.time", SimpleNamespace(monotonic=lambda now=float(second): now))
        room.change_remote("other", [Person(1000 + second, "p")], [second])
    assert len(room._heard) <= 2 * (WRITTEN_S + ANSWER_S + 1)


def test_only_local_changes_are_told_to_the_other_processes() -> None:
    room = RoomPresence()
    room.join(ADA)
    room.change_remote("other", [BOB], [])
    assert room.take_local_change() == ([ADA], [])
    assert room.take_local_change() == ([], [])
    room.leave(ADA)
    assert room.take_local_change() == ([], [ADA.id])


def test_a_crowd_is_counted_and_not_named() -> None:
    room = RoomPresence()
    for number in range(1, NAMES_UP_TO + 1):
        room.join(Person(number, f"p{number:04}"))
    change = room.take_change()
    assert change is not None
    assert len(change["joined"]) == NAMES_UP_TO
    assert len(room.listed()) == LISTED
    room.join(Person(9999, "one more"))
    assert room.take_change() == {"online_count": NAMES_UP_TO + 1, "joined": [], "left": []}
