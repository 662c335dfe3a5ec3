"""The ledgers of features, apart from network and clock."""

import pytest

from loadtest.activities.location import Location, latitude_of
from loadtest.activities.notes import Notes
from loadtest.activities.quiz import Quiz, right_of
from loadtest.activities.sensors import Sensors
from loadtest.activities.values import ENDED, Shown, Values

Frame = dict[str, object]


def sent(*numbers: int, acknowledged: int) -> Values:
    values = Values()
    one = values.of("room", "key")
    one.due = {number: float(number) for number in numbers}
    one.acknowledged = acknowledged
    return values


def test_newest_value_wins_and_none_comes_back() -> None:
    shown = Shown(sent(1, 2, 3, acknowledged=3), "room")
    assert shown.see("key", 1) == ("", "", 1.0)
    assert shown.see("key", 3) == ("", "", 3.0)
    assert shown.see("key", 3) == ("", "", None), "who joins again is shown what is kept"
    assert shown.see("key", 2)[0] == "out of order"
    assert shown.missing() == []


def test_value_that_was_never_sent_is_altered() -> None:
    shown = Shown(sent(1, acknowledged=1), "room")
    assert shown.see("key", 7)[0] == "altered"
    assert shown.see("of another process", 7) == ("", "", None)


@pytest.mark.parametrize(
    ("seen", "acknowledged", "lost"), [(0, 2, True), (1, 2, True), (2, 2, False), (1, ENDED, True), (0, ENDED, False)]
)
def test_last_value_must_be_shown(seen: int, acknowledged: int, lost: bool) -> None:
    shown = Shown(sent(1, 2, acknowledged=acknowledged), "room")
    if seen:
        shown.see("key", seen)
    assert bool(shown.missing()) == lost


def test_place_after_its_end_is_found() -> None:
    shown = Shown(sent(1, 2, acknowledged=ENDED), "room")
    shown.see("key", 1)
    shown.end("key")
    assert shown.missing() == []
    assert shown.see("key", 2)[0] == "out of order"


def place(person: int, latitude: float, longitude: float) -> Frame:
    value = {"latitude": latitude, "longitude": longitude, "accuracy": None}
    return {"type": "live", "room": "room", "topic": "location", "values": [{"key": "7", "from": {"id": person}, "value": value}]}


def test_place_of_somebody_else_is_altered() -> None:
    walker = Location("room", "ada", Location.ledger())
    assert walker.on_push(place(5, latitude_of(5), 0.0001)).faults == ()
    (fault,) = walker.on_push(place(5, latitude_of(6), 0.0002)).faults
    assert fault.kind == "altered"


class History:
    """A server that keeps these values."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def ask(self, frame: Frame) -> Frame:
        raise AssertionError("nothing is asked by frames")

    def get(self, path: str) -> Frame:
        return {"points": [{"value": value} for value in self.values]}


@pytest.mark.parametrize(
    ("kept", "kinds"),
    [((1, 2, 3, 4, 5), set()), ((1, 2, 4, 5), {"lost"}), ((1, 2, 2, 3, 4, 5), {"duplicate"}), ((1, 2, 3, 4, 5, 9), {"altered"})],
)
def test_history_is_held_against_the_acknowledged_readings(kept: tuple[float, ...], kinds: set[str]) -> None:
    device = Sensors("room", "ada", Sensors.ledger())
    frame = device.act("key", 0.0)
    assert device.answered(frame, {"accepted": 5}) == ()
    assert {fault.kind for fault in device.finish(History(*kept))} == kinds


def test_edit_that_is_not_pushed_is_behind() -> None:
    ledger = Notes.ledger()
    ada, bob = Notes("room", "ada", ledger), Notes("room", "bob", ledger)
    for one in (ada, bob):
        one.on_event({"type": "note", "seq": 7})
        opening = one.act("", 0.0)
        assert opening["type"] == "note.open"
        one.answered(opening, {"update": "AAA=", "vector": "AA=="})
    edit = ada.act("word", 1.0)
    ada.answered(edit, {"type": "ok"})
    assert [fault.kind for fault in bob.behind()] == ["lost"]
    push = {"type": "note.update", "room": "room", "note": 7, "number": 1, "update": edit["update"]}
    assert bob.on_push(push).shown == [1.0]
    assert bob.behind() == ada.behind() == ()


def question(**fields: object) -> Frame:
    shown = {"index": 0, "text": "Which?", "choices": ["a"] * 4, "right": None, "counts": None} | fields
    return {"phase": "asked", "question": shown, "scores": [], "answered": 0}


def test_quiz_that_tells_its_answer_is_found() -> None:
    player = Quiz("room", "ada", Quiz.ledger())
    event = {"type": "quiz.asked", "seq": 2, "target": 1}
    assert player.on_event(event | {"state": question()}) == ""
    assert "before its time" in player.on_event(event | {"state": question(right=1)})
    right = right_of("Which?")
    counts = [0, 0, 0, 0]
    counts[right] = 1
    revealed = question(right=right, counts=counts) | {"phase": "revealed", "answered": 1, "scores": [{"score": 700}]}
    assert player.on_event(event | {"state": revealed}) == ""
    assert "no scores" in player.on_event(event | {"state": revealed | {"scores": [{"score": 7_000}]}})
    assert "not the answers" in player.on_event(event | {"state": revealed | {"answered": 3}})
