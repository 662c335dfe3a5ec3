"""Common words are found among the newest messages, in a few rooms as in many."""

from datetime import UTC, datetime

import pytest

from chat.models import Event
from features.search import find_postgres
from features.search.find import find
from rooms.models import Membership, Room
from tests.chat.world import ROOMS, World

pytestmark = pytest.mark.django_db(transaction=True)


def write(world: World, room: Room, seq: int, text: str) -> None:
    Event.objects.create(room=room, author=world.ada, seq=seq, key=str(seq), text=text, at=datetime.now(UTC))


@pytest.mark.parametrize("more", [0, find_postgres.FEW_ROOMS])
def test_common_word_is_found_among_the_newest_of_ones_own_rooms(more: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    rooms = [
        *world.models,
        *Room.objects.bulk_create([Room(slug=f"more-{number}", look=f"more-{number}") for number in range(more)]),
    ]
    Membership.objects.bulk_create([Membership(room=room, user=world.ada) for room in rooms[ROOMS:]])
    strange = Room.objects.create(slug="strange")
    for seq in (1, 2, 3):
        write(world, rooms[0], seq, f"hello {seq}")
        write(world, rooms[-1], seq, f"hello {seq}")
        write(world, strange, seq, f"hello {seq}")
    write(world, rooms[0], 4, "other")

    def index_is_not_asked(*_: object) -> None:
        raise AssertionError("the newest messages hold enough")

    monkeypatch.setattr(find_postgres, "_matching", index_is_not_asked)
    found = find(world.ada.id, "hello", limit=5)
    assert found.more
    assert [(one["room"], one["seq"]) for one in found.results] == [
        (room.slug, seq) for seq in (3, 2, 1) for room in (rooms[-1], rooms[0])
    ][:5]
