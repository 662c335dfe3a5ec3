"""In which order rooms are listed, and which are left out of a list that is full."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from ops.questions import by_orm
from rooms import access, listing
from rooms.models import Membership, Room

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture
def ada() -> User:
    """A member of rooms of each age, among many public ones in which nothing was ever said, and some busy ones."""
    ada, eve = User.objects.create(username="ada"), User.objects.create(username="eve")
    for slug, hours in (("mine-busy", 1), ("mine-empty", None), ("mine-old", 1000)):
        room = Room.objects.create(slug=slug, last_at=None if hours is None else NOW - timedelta(hours=hours))
        Membership.objects.create(room=room, user=ada)
        Membership.objects.create(room=room, user=eve)
    Room.objects.bulk_create(Room(slug=f"empty-{number:03}") for number in range(600))
    Room.objects.bulk_create(Room(slug=f"busy-{number}", last_at=NOW - timedelta(minutes=number)) for number in range(9))
    return ada


def test_ones_own_rooms_come_first_and_empty_ones_last(ada: User) -> None:
    rooms = listing.rooms_for(ada.id)
    slugs = [room["slug"] for room in rooms]
    assert slugs[:3] == ["mine-busy", "mine-old", "mine-empty"]
    assert slugs[3:12] == [f"busy-{number}" for number in range(9)]
    assert slugs[12:14] == ["empty-000", "empty-001"]
    assert len(slugs) == len(set(slugs)) == 3 + listing.ROOMS_LISTED
    assert [(room["member"], room["member_count"]) for room in rooms[:4]] == [(True, 2)] * 3 + [(False, 0)]


def test_sockets_hear_of_busy_rooms_first(ada: User) -> None:
    assert [room.slug for room, _ in by_orm(access.rooms_of_all([ada.id]))[ada.id]] == ["mine-busy", "mine-old", "mine-empty"]
