"""Pages of joins: simultaneous joins share queries; a page needs a membership."""

import asyncio
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from chat import history, joins
from core.errors import NotAMember
from db import database
from db.queries import by_orm
from rooms import counting
from rooms.models import Membership, Room
from tests.chat.world import World, store

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reads, in order."""
    seen: list[str] = []

    def note(module: Any, name: str) -> None:
        whole = getattr(module, name)

        def noted(*args: Any) -> Any:
            seen.append(name)
            return whole(*args)

        monkeypatch.setattr(module, name, noted)

    note(counting, "counts_of")
    note(history, "latest_page")
    note(history, "resume_page")
    return seen


async def written(world: World, room: int, number: int) -> None:
    log = store()
    await log.store([world.append(room, f"k{room}-{place}") for place in range(number)])
    await log.close()


async def test_a_page_holds_the_log_above_after(world: World) -> None:
    await written(world, 0, 3)
    page = await joins.page_of(world.ada.id, world.rooms[0], 1)
    shown = (page.head, [event.seq for event in page.events], page.more, page.complete, page.member_count)
    assert shown == (3, [2, 3], False, True, 1)


async def test_an_after_above_the_head_counts_as_the_head(world: World) -> None:
    await written(world, 0, 2)
    page = await joins.page_of(world.ada.id, world.rooms[0], 50)
    assert (page.head, page.events, page.complete) == (2, [], True)


async def test_joins_together_share_trips_and_page(world: World, reads: list[str]) -> None:
    await written(world, 0, 3)
    people = await database.run(_members, world.models[0], 50)
    reads.clear()
    pages = await asyncio.gather(*(joins.page_of(user, world.rooms[0], None) for user in people))
    assert {(page.head, len(page.events), page.member_count) for page in pages} == {(3, 3, 51)}
    assert reads.count("latest_page") == 1
    assert len(reads) <= 5  # the first question goes alone


async def test_an_up_to_date_join_reads_no_events(world: World, reads: list[str]) -> None:
    await written(world, 0, 3)
    reads.clear()
    await joins.page_of(world.ada.id, world.rooms[0], 3)
    assert reads == ["counts_of"]


async def test_a_stranger_gets_no_page_beside_members(world: World) -> None:
    await written(world, 0, 1)
    eve = await database.run(User.objects.create, username="eve")
    page, refused = await asyncio.gather(
        joins.page_of(world.ada.id, world.rooms[0], None),
        joins.page_of(eve.id, world.rooms[0], None),
        return_exceptions=True,
    )
    assert isinstance(refused, NotAMember)
    assert not isinstance(page, BaseException)
    assert page.head == 1


async def test_removal_while_a_page_is_read_refuses_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await written(world, 0, 1)
    whole = history.latest_page

    def removed_meanwhile(*args: Any) -> Any:
        Membership.objects.filter(room=world.models[0], user=world.ada).delete()
        return whole(*args)

    monkeypatch.setattr(history, "latest_page", removed_meanwhile)
    with pytest.raises(NotAMember):
        await joins.page_of(world.ada.id, world.rooms[0], None)


async def test_joins_of_several_rooms_share_a_trip(world: World, reads: list[str]) -> None:
    await asyncio.gather(*(joins.page_of(world.ada.id, room, None) for room in world.rooms))
    assert reads in (["counts_of"], ["counts_of"] * 2)  # the first question goes alone


def test_states_need_three_queries_for_many_pairs(db: None) -> None:
    world = World()
    with CaptureQueriesContext(connection) as queries:
        by_orm(joins._answer_states([(room.id, world.ada.id) for room in world.rooms]))
    assert len(queries) == 3


def _members(room: Room, number: int) -> list[int]:
    people = User.objects.bulk_create([User(username=f"p{each}", name_key=f"p{each}") for each in range(number)])
    Membership.objects.bulk_create([Membership(room=room, user=person) for person in people])
    return [person.id for person in people]
