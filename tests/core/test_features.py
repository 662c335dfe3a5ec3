"""The registry of kinds of events."""

import msgspec
import pytest

from core.features import EventKind, EventKinds


class Poll(msgspec.Struct, tag="poll"):
    text: str
    options: list[str]


class Other(msgspec.Struct, tag="poll"):
    pass


def test_doubled_kind_is_refused_by_name() -> None:
    known = EventKinds([EventKind(payload=Poll, listed=True, counts=True)])
    with pytest.raises(ValueError, match="'poll' is registered twice"):
        known.register(EventKind(payload=Other))
    assert [kind.payload for kind in known] == [Poll]


def test_amending_kind_without_apply_is_refused() -> None:
    with pytest.raises(ValueError, match="'poll': amends and apply"):
        EventKind(payload=Poll, amends=Other)


def test_data_holds_the_payload_beside_its_text() -> None:
    kind = EventKind(payload=Poll)
    assert kind.has_text
    assert kind.data_of(Poll("which?", ["a", "b"])) == {"options": ["a", "b"]}
