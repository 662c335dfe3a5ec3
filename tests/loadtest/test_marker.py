"""The marker identifies a message, times it, and detects changes."""

from typing import Any

import pytest

from loadtest import marker


def event(**changes: Any) -> dict[str, Any]:
    """A message as written, except for the changes."""
    text = marker.text("run-1-7", 12.5, 120, room="garden", author=3)
    return {"type": "message", "seq": 9, "room": "garden", "from": {"id": 3, "name": "ada"}, "text": text} | changes


def test_key_and_time_are_read_back() -> None:
    assert marker.key_of(event()) == "run-1-7"
    assert marker.intended(event()["text"]) == 12.5
    assert 110 <= len(event()["text"]) <= 120


@pytest.mark.parametrize("letters", [0, 1, 33, 34, 35, 36, 200, 10_000])
def test_a_message_of_any_length_is_intact(letters: int) -> None:
    text = marker.text("k", 1.0, letters, room="garden", author=3)
    assert marker.intact(event(text=text))
    assert len(text) <= max(letters, len("k@1000000000#12345678"))


@pytest.mark.parametrize(
    "changes",
    [
        {"room": "lobby"},
        {"from": {"id": 4, "name": "ada"}},
        {"text": event()["text"][:-1]},
        {"text": event()["text"] + "!"},
        {"text": event()["text"].replace("quick", "quirk")},
        {"text": event()["text"].replace("run-1-7", "run-1-8")},
        {"text": event()["text"].replace("@125", "@126")},
        {"text": "hello"},
        {"text": ""},
    ],
)
def test_changed_message_is_detected(changes: dict[str, Any]) -> None:
    assert marker.intact(event())
    assert not marker.intact(event(**changes))
