"""What a share is, apart from sockets and database."""

from datetime import UTC, datetime

import pytest

from core.errors import Closed, Forbidden
from core.features import Context
from features.location.events import ENDED, LOCATION, Location, LocationEnded, due, end

UNTIL = datetime(2030, 1, 1, tzinfo=UTC)
RUNNING = Location(until=UNTIL)


def context(author: int = 1, *, is_owner: bool = False) -> Context:
    return Context(target_author=author, is_owner=is_owner, at=UNTIL)


def test_author_ends_a_share_once() -> None:
    ended = end(RUNNING, LocationEnded(), 1, context())
    assert ended == Location(until=UNTIL, ended=True)
    with pytest.raises(Closed):
        end(ended, LocationEnded(), 1, context())


def test_only_the_author_or_the_server_ends_a_share() -> None:
    with pytest.raises(Forbidden):
        end(RUNNING, LocationEnded(), 2, context(is_owner=True))


def test_running_share_is_due_at_its_end() -> None:
    assert due(RUNNING) == UNTIL
    assert due(Location(until=UNTIL, ended=True)) is None
    assert LOCATION.on_due is not None
    assert LOCATION.on_due(RUNNING, UNTIL) == LocationEnded()


def test_wire_form_has_every_field() -> None:
    assert LOCATION.shown(RUNNING) == {"until": UNTIL.isoformat().replace("+00:00", "Z"), "ended": False}
    assert ENDED.shown(LocationEnded()) == {}
