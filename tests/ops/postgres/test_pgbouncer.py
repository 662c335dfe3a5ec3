"""A transaction pooler between the server and its database."""

import asyncio
import os
from collections.abc import Iterator
from time import monotonic

import psycopg
import pytest

from tests.conftest import StartServer
from tests.support.api import anonymous
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.crowd import Crowd
from tests.support.server import Server, base_environment, manage
from tests.support.services import PgBouncer, Postgres

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

# More repetitions of a statement than a client needs before it prepares it.
ROUNDS = 15
FELT_WITHIN_S = 15


@pytest.fixture(scope="module")
def pooler() -> Iterator[PgBouncer]:
    with Postgres() as postgres, PgBouncer(postgres) as running:
        yield running


@pytest.fixture
def server(pooler: PgBouncer, start_server: StartServer) -> Server:
    """A server whose migrations bypass the pooler.

    They need a session for their lock and time limits.
    """
    direct = pooler.postgres.create_database()
    pooled = pooler.url(direct.rpartition("/")[2])
    given = {"DATABASE_URL": pooled, "SECRET_KEY": os.environ["SECRET_KEY"], "WEB_CONCURRENCY": "1"}
    manage("migrate", "--no-input", env=base_environment() | given | {"MIGRATE_DATABASE_URL": direct})
    return start_server(**given)


@pytest.mark.drill
async def test_people_chat_and_resume_through_a_transaction_pooler(server: Server, pooler: PgBouncer) -> None:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    async with anonymous(server.base_url) as http:
        answer = await http.post("/api/session", json={"username": ada.name, "password": ada.password})
        assert answer.is_success, answer.text
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as here:
        async with ChatClient(server.ws_url(), bob) as there:
            await here.join(room)
            seen = (await there.join(room))["head"]
            for number in range(ROUNDS):
                sent = await asyncio.gather(here.send(room, f"a{number}"), there.send(room, f"b{number}"))
                assert max(one["seq"] for one in sent) == seen + 2 * (number + 1)
                await asyncio.gather(
                    here.request("history", room=room, before=1_000), there.request("history", room=room, before=1_000)
                )
        async with ChatClient(server.ws_url(), bob) as back:
            events = await back.catch_up(room, seen)
            assert [event["seq"] for event in events] == list(range(seen + 1, seen + 2 * ROUNDS + 1))
    assert "Traceback" not in server.log
    assert "prepared statement" not in server.log
    with psycopg.connect(pooler.postgres.url(), connect_timeout=5) as connection:
        name = server.env["DATABASE_URL"].rpartition("/")[2]
        found = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [name]).fetchone()
    assert found == (2,), "the pooler was not asked, or did not share its connections"


@pytest.mark.drill
async def test_restarted_pooler_loses_nothing_under_load(server: Server, pooler: PgBouncer) -> None:
    async with Crowd(server.base_url, readers=4, writers=4, askers=2) as crowd:
        await crowd.until_written(10)
        pooler.kill()
        deadline = monotonic() + FELT_WITHIN_S
        while not any(person.put_off for person in crowd.people):
            assert monotonic() < deadline, "no message was put off without the pooler"
            await asyncio.sleep(0.05)
        await asyncio.to_thread(pooler.start)
        await crowd.until_written(20)
    await crowd.hold_to_the_log()
    assert crowd.ended() == [], "an absent pooler costs no socket"
    assert crowd.requests > 20
    assert "prepared statement" not in server.log
