"""The order of listed rooms, their pages, and the cost of a page."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from core.errors import BadFrame
from db.queries import by_orm
from realtime.publish import WATCHED_ROOMS
from rooms import access, counting, listing, slugs
from rooms.models import Kind, Membership, Room

pytestmark = pytest.mark.django_db

NOW = timezone.now()
MINE = ["mine-busy", "mine-same-1", "mine-same-2", "mine-old", "mine-empty", "mine-empty-too"]


@pytest.fixture
def ada() -> User:
    """A member of rooms of each age, among many public rooms."""
    ada, eve = User.objects.create(username="ada"), User.objects.create(username="eve")
    Room.objects.get_or_create(slug="lobby")  # a migration's, gone after a test that empties the tables
    ages = {"mine-busy": 1, "mine-same-1": 2, "mine-same-2": 2, "mine-old": 1000}
    for slug in MINE:
        hours = ages.get(slug)
        room = Room.objects.create(slug=slug, last_at=None if hours is None else NOW - timedelta(hours=hours))
        Membership.objects.create(room=room, user=ada)
        Membership.objects.create(room=room, user=eve)
    Room.objects.bulk_create(Room(slug=f"open-{number:03}") for number in range(600))
    Room.objects.bulk_create(Room(slug=f"private-{number}", kind=Kind.PRIVATE) for number in range(3))
    return ada


def pages(user: User, **options: Any) -> list[list[str]]:
    """Return the slugs of all pages, each requested with the cursor of the one before."""
    found, after = [], None
    while True:
        page = listing.rooms_for(user.id, after=after, **options)
        found.append([room["slug"] for room in page.items])
        after = page.next
        if after is None:
            return found


def test_own_rooms_come_first_by_activity_then_public_by_slug(ada: User) -> None:
    page = listing.rooms_for(ada.id)
    slugs = [room["slug"] for room in page.items]
    assert slugs[:6] == MINE
    assert slugs[6:9] == ["lobby", "open-000", "open-001"]
    assert len(slugs) == listing.PAGE
    assert [(room["member"], room["member_count"]) for room in page.items[5:7]] == [(True, 2), (False, 0)]


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7, 100])
def test_pages_hold_each_room_once_in_the_same_order(ada: User, limit: int) -> None:
    Room.objects.filter(slug__gte="open-020", slug__startswith="open-").delete()
    found = pages(ada, limit=limit)
    assert [slug for page in found for slug in page] == [*MINE, "lobby", *(f"open-{number:03}" for number in range(20))]
    assert {len(page) for page in found[:-1]} <= {limit}


BEYOND = ["m~0001-01-01T00:00:00+14:00~x", "m~9999-12-31T23:59:59-14:00~x"]


@pytest.mark.parametrize("after", ["", "m~", "m~yesterday~x", "m~2026-01-01T00:00:00~x", "x~y~z", "p", "mine", *BEYOND])
def test_invalid_cursor_is_refused(ada: User, after: str) -> None:
    if not after:
        assert listing.rooms_for(ada.id, after=after).items
        return
    with pytest.raises(BadFrame, match="after"):
        listing.rooms_for(ada.id, after=after)


def test_query_finds_rooms_by_slug_and_title(ada: User) -> None:
    Room.objects.filter(slug="open-300").update(title="Garden Party")
    assert pages(ada, query="garden") == [["open-300"]]
    assert pages(ada, query="OLD") == [["mine-old"]]


@pytest.mark.parametrize("query", ["ärger", "ÄRGER", "a\u0308rger", "ger im B", "ger im b"], ids=ascii)
def test_query_finds_titles_in_any_case_of_any_script(ada: User, query: str) -> None:
    """SQLite's LIKE knows the case of ASCII letters only."""
    Room.objects.filter(slug="open-300").update(title="Ärger im Büro (50 %_.*)")
    assert pages(ada, query=query) == [["open-300"]]


@pytest.mark.parametrize("query", ["%_", ".*", "(50", "\\d", "[", "100%"])
def test_query_is_no_pattern(ada: User, query: str) -> None:
    Room.objects.filter(slug="open-300").update(title="Ärger im Büro (50 %_.*)")
    assert pages(ada, query=query) == ([["open-300"]] if query in "Ärger im Büro (50 %_.*)" else [[]])


@pytest.mark.parametrize("query", ["Straße", "STRASSE", "strasse", "raße-K", "KO\u0308LN", "\u200bköln"], ids=ascii)
def test_query_finds_slugs_as_people_write_them(ada: User, query: str) -> None:
    slug = slugs.normalised("Straße-KÖLN") or ""
    Room.objects.create(slug=slug)
    assert pages(ada, query=query) == [[slug]]


@pytest.mark.parametrize("limit", [1, 3, 500])
def test_only_own_or_only_other_rooms_in_pages(ada: User, limit: int) -> None:
    Room.objects.filter(slug__gte="open-020", slug__startswith="open-").delete()
    mine = [slug for page in pages(ada, member=True, limit=limit) for slug in page]
    others = [slug for page in pages(ada, member=False, limit=limit) for slug in page]
    assert mine == MINE
    assert others == ["lobby", *(f"open-{number:03}" for number in range(20))]


@pytest.mark.parametrize(
    ("slug", "found"),
    [("OPEN-300", ["open-300"]), ("mine-old", ["mine-old"]), ("private-1", []), ("open", []), ("no slug", []), ("", [])],
)
def test_room_is_found_by_its_exact_slug(ada: User, slug: str, found: list[str]) -> None:
    assert pages(ada, slug=slug) == [found]


def test_rooms_by_invitation_are_listed_in_pages(ada: User) -> None:
    eve = User.objects.get(username="eve")
    Membership.objects.filter(user=ada, room__slug__in=MINE[1:4]).update(added_by=eve.id)
    assert pages(ada, added_by=eve.id, limit=2) == [MINE[1:3], MINE[3:4]]
    assert pages(ada, added_by=eve.id, query="old") == [["mine-old"]]
    page = listing.rooms_for(ada.id, limit=2)
    assert [room["added_by"] for room in page.items] == [None, {"id": eve.id, "name": "eve"}]
    eve.delete()
    assert [room["added_by"] for room in listing.rooms_for(ada.id, limit=2).items] == [None, None]


def test_members_are_found_by_name_role_and_id(ada: User) -> None:
    eve = User.objects.get(username="eve")
    Membership.objects.filter(room__slug="mine-busy", user=eve).update(role="owner")

    def names(**options: Any) -> list[str]:
        return [person["name"] for person in listing.members_of(ada.id, "mine-busy", **options).items]

    assert names(query="EV") == ["eve"]
    assert names(role="owner") == ["eve"]
    assert names(role="member", users=[eve.id, ada.id]) == ["ada"]
    assert names(users=[eve.id]) == ["eve"]
    assert names(query="no-match") == []


def test_page_takes_as_many_queries_for_many_rooms(ada: User) -> None:
    with CaptureQueriesContext(connection) as few:
        listing.rooms_for(ada.id, limit=2)
    with CaptureQueriesContext(connection) as many:
        listing.rooms_for(ada.id, limit=500)
    assert len(many) <= len(few) + 1


def test_members_are_listed_in_pages_by_id(ada: User) -> None:
    room = Room.objects.get(slug="mine-busy")
    people = [User(username=f"user-{number}", name_key=f"user-{number}") for number in range(7)]
    User.objects.bulk_create(people)
    Membership.objects.bulk_create(Membership(room=room, user=user) for user in User.objects.filter(username__startswith="user-"))
    first = listing.members_of(ada.id, "mine-busy", limit=4)
    rest = listing.members_of(ada.id, "mine-busy", after=int(first.next or 0), limit=5)
    ids = [person["id"] for person in [*first.items, *rest.items]]
    assert (len(first.items), len(rest.items), rest.next) == (4, 5, None)
    assert ids == sorted(set(ids))


def test_member_count_of_a_large_room_is_cached(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "LARGE", 1)
    room = Room.objects.get(slug="mine-busy")
    assert counting.member_counts([room.id]) == {room.id: 2}
    with CaptureQueriesContext(connection) as asked:
        assert counting.member_counts([room.id]) == {room.id: 2}
    assert not asked.captured_queries
    counting._kept.clear()


def test_hello_lists_the_busiest_rooms_first(ada: User) -> None:
    assert [room.slug for room, *_ in by_orm(access.rooms_of_all([ada.id]))[ada.id]] == MINE


def test_rooms_that_are_watched_are_bounded_for_each_person(ada: User) -> None:
    """Whoever is in 10,000 rooms has others' look-ups wait for the reading of 500."""
    many = [Room(slug=f"many-{number}", look=f"many-{number}") for number in range(WATCHED_ROOMS)]
    Room.objects.bulk_create(many)
    bob = User.objects.create(username="bob-of-many", name_key="bob-of-many")
    made = Room.objects.filter(slug__startswith="many-")
    Membership.objects.bulk_create(Membership(room=room, user=user) for room in made for user in (ada, bob))
    found = by_orm(access.rooms_of_all([ada.id, bob.id]))
    assert {user: len(rooms) for user, rooms in found.items()} == {ada.id: WATCHED_ROOMS, bob.id: WATCHED_ROOMS}
    # Rooms without a message come last, by slug.
    assert [room.slug for room, *_ in found[ada.id][:5]] == [*MINE[:4], "many-0"]
