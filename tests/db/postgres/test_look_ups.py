"""Look-ups on Postgres: no threads, no broken answers, bounded waits."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import close_old_connections, connection

import db.pool
from accounts.models import User
from chat import joins
from chat.models import Event
from db import batch_loader, database
from db.batch_loader import BatchLoader
from db.connections import LOOKUP_CONNECTIONS
from db.database import DatabaseUnavailable
from db.queries import Query, Statement, WhereIn
from realtime.publish import Person
from rooms import access, counting
from rooms.join_flow import enter
from rooms.models import Membership, Room
from tests.chat.postgres.line import Line
from tests.support.profile import Profile

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = WhereIn("username", lambda: User.objects.values_list("username", "id"))


def ids_of(names: list[str]) -> Query[dict[str, int]]:
    return dict((yield NAMES(names)))


@pytest.fixture
async def ada() -> AsyncIterator[int]:
    yield await database.run(lambda: User.objects.create(username="ada").id)
    await batch_loader.close()
    # The database threads keep their connections, which would block dropping the test database.
    await asyncio.gather(*(database.run(close_old_connections) for _ in range(settings.DATABASE_THREADS)))


@pytest.fixture
async def ids(ada: int) -> BatchLoader[str, int]:
    """Ids by name, queried once before the test."""
    made = BatchLoader(ids_of, pace_s=0.0)
    assert await made("ada") == ada
    return made


@pytest.fixture
def busy_threads() -> Iterator[None]:
    """Keep all database threads busy."""
    done = threading.Event()
    threads = [database._threads().submit(done.wait, 60) for _ in range(settings.DATABASE_THREADS)]
    yield
    done.set()
    for thread in threads:
        assert thread.result(10)


async def test_look_ups_wait_for_no_thread(ids: BatchLoader[str, int], ada: int, busy_threads: None) -> None:
    assert list(await asyncio.gather(ids("ada"), ids("bob"), ids("ada"))) == [ada, None, ada]


async def test_look_ups_hold_at_most_their_pool(ids: BatchLoader[str, int], ada: int) -> None:
    others = [BatchLoader(ids_of, pace_s=0.0) for _ in range(20)]
    assert await asyncio.gather(*(other("ada") for other in [ids, *others] for _ in range(20))) == [ada] * 420
    assert batch_loader._pool()._pool.get_stats()["pool_size"] == LOOKUP_CONNECTIONS  # type: ignore[union-attr]


async def test_broken_connection_loses_no_answer(ids: BatchLoader[str, int], ada: int) -> None:
    for _ in range(3):
        await asyncio.to_thread(_end_others)
        assert list(await asyncio.gather(ids("ada"), ids("bob"))) == [ada, None]


async def test_silent_network_times_out_and_is_used_again_later(
    ids: BatchLoader[str, int], ada: int, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert profile.postgres
    await batch_loader.close()
    batch_loader._pool.take(asyncio.get_running_loop())
    async with Line(profile.postgres.port) as line:
        with monkeypatch.context() as patch:
            patch.setitem(connection.settings_dict, "PORT", str(line.port))
            assert await ids("ada") == ada
        monkeypatch.setattr(db.pool, "LIMIT_S", 0.5)
        line.silence()
        for _ in range(2):  # the first query gets a formerly good connection, the second gets none
            with pytest.raises(DatabaseUnavailable):
                await asyncio.wait_for(ids("ada"), 30)
        line.heal()
        deadline = time.monotonic() + 30
        while True:
            try:
                assert await ids("ada") == ada
                break
            except DatabaseUnavailable:
                assert time.monotonic() < deadline, "the broken connection was not reused"
        await batch_loader.close()


async def test_look_up_after_the_close_fails_as_unavailable(ids: BatchLoader[str, int]) -> None:
    await batch_loader.close()
    with pytest.raises(DatabaseUnavailable):
        await ids("ada")


async def test_error_in_our_query_is_raised(ids: BatchLoader[str, int], ada: int) -> None:
    """It must not look like an absent database, and later look-ups must work."""
    wrong = WhereIn("id", lambda: User.objects.values_list("username", "id"))

    def ask(names: list[str]) -> Query[dict[str, int]]:
        return dict((yield wrong(names)))

    with pytest.raises(psycopg.Error, match="invalid input syntax"):
        await BatchLoader(ask)("ada")
    assert await ids("ada") == ada


def test_column_with_a_conversion_is_refused() -> None:
    with pytest.raises(TypeError, match="columns of Event by room_id need conversion"):
        _ = WhereIn("room_id", lambda: Event.objects.values_list("reactions")).sql


def _end_others() -> None:
    """End all connections to the test database, like a restart of the server."""
    known: Any = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{name: known[name] for name in names}, autocommit=True, connect_timeout=5) as own:
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        own.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}")


def _room_with(number: int) -> tuple[Room, list[int]]:
    people = [User.objects.create(username=f"person-{each}").id for each in range(number)]
    room = Room.objects.create(slug="square", head=3)
    Membership.objects.bulk_create([Membership(room=room, user_id=user, last_read_seq=2) for user in people[1:]])
    return room, people


@pytest.mark.parametrize("statement", [access._AMONG, joins._HEADS, counting._COUNTS], ids=["among", "heads", "counts"])
async def test_statement_reads_the_same_as_on_a_thread(statement: Statement, ids: BatchLoader[str, int]) -> None:
    room, people = await database.run(_room_with, 4)
    asked = [[room.id]] if statement is counting._COUNTS else [[room.id] * 5, [*people, 0]]
    found = await statement(*asked).by(batch_loader._pool())
    assert sorted(found) == sorted(await database.run(statement(*asked).by_orm))
    assert len(found) == (1 if statement is counting._COUNTS else 3)


async def test_join_of_a_member_waits_for_no_thread(ids: BatchLoader[str, int], request: pytest.FixtureRequest) -> None:
    room, people = await database.run(_room_with, 2)
    person = Person(people[1], "person-1")
    assert await enter(person, "Square") == access.to_ref(room)  # the first one has its statement built
    request.getfixturevalue("busy_threads")
    async with asyncio.timeout(10):
        assert await enter(person, "Square") == access.to_ref(room)
        page = await joins.page_of(person.id, access.to_ref(room), 3)
    assert (page.head, page.events, page.member_count) == (3, [], 1)
