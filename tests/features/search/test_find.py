"""What a search answers, without a server."""

from datetime import UTC, datetime

import pytest

from chat.models import Event
from features.notes.models import Document
from features.search import find as searching
from tests.chat.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("most", "more"), [(2, True), (3, False)])
def test_more_notes_than_are_read_say_more(monkeypatch: pytest.MonkeyPatch, most: int, *, more: bool) -> None:
    monkeypatch.setattr(searching, "MOST_THINGS", most)
    world = World()
    for seq in (1, 2):
        at = datetime.now(UTC)
        Event.objects.create(
            room=world.models[0], author=world.ada, seq=seq, key=str(seq), kind="note", at=at, data={"title": "Plan"}
        )
        Document.objects.create(room=world.models[0], seq=seq, title="Plan", author=world.ada.id)
    found = searching.find(world.ada.id, "plan")
    assert ([result["seq"] for result in found.results], found.more) == ([2, 1], more)
    found = searching.find(world.ada.id, "plan", before=datetime(2020, 1, 1, tzinfo=UTC))
    assert (found.results, found.more) == ([], False), "nothing is left to go on from"
