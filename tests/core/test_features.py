"""The registry of kinds of events."""

import msgspec
import pytest

from config.variables import VARIABLES
from core.errors import FrameRefused
from core.features import EventKind, EventKinds, Feature, FrameHandler, Installed, LiveTopic
from core.variables import Variable, refuse_doubled

pytestmark = pytest.mark.once


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


async def handle(_socket: object, _frame: object) -> None:
    """Do nothing."""


def parts() -> dict[str, object]:
    """One of each part with a name; each call makes others of the same names."""

    class Frame(msgspec.Struct, tag="poll.create"):
        pass

    class Closed(FrameRefused):
        code = "closed_for_tests"

    return {
        "frames": FrameHandler(Frame, handle),
        "events": EventKind(payload=Poll),
        "live": LiveTopic("place"),
        "sends": Frame,
        "errors": Closed,
    }


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("frames", "frame 'poll.create'"),
        ("events", "event kind 'poll'"),
        ("live", "live topic 'place'"),
        ("sends", "server frame 'poll.create'"),
        ("errors", "error code 'closed_for_tests'"),
    ],
)
def test_doubled_part_of_two_features_is_refused_by_name(part: str, message: str) -> None:
    one, other = ({part: (parts()[part],)} for _ in range(2))
    features = Feature(name="polls", **one), Feature(name="games", **other)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"{message} is brought by polls and by games"):
        Installed(features)


def test_doubled_feature_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="feature 'polls' is brought by polls and by polls"):
        Installed([Feature(name="polls"), Feature(name="polls")])


def test_doubled_setting_is_refused_by_name() -> None:
    refuse_doubled(VARIABLES)
    with pytest.raises(ValueError, match="declared twice: setting LIMIT_POLLS"):
        refuse_doubled([*VARIABLES, *(Variable("LIMIT_POLLS", "int", "1", "Polls a person") for _ in range(2))])
