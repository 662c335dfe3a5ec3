"""The primary dies, and its standby takes over without loss."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic

import psycopg
import pytest

from tests.support.cable import Cable
from tests.support.crowd import Crowd
from tests.support.profile import Profile
from tests.support.server import Server, manage
from tests.support.services import Postgres, Redis, Standby

FELT_WITHIN_S = 20


class Installation:
    """Two workers that know both servers, or one name that moves between them."""

    def __init__(self, profile: Profile, exits: ExitStack, *, both: bool) -> None:
        self.primary = exits.enter_context(Postgres())
        database = self.primary.create_database()
        self.standby = exits.enter_context(Standby(self.primary))
        self.name = exits.enter_context(Cable())
        self.name.connect_to(self.primary.port)
        redis = exits.enter_context(Redis())
        hosts = f":{self.primary.port},127.0.0.1:{self.standby.port}/" if both else f":{self.name.port}/"
        url = database.replace(f":{self.primary.port}/", hosts)
        env = {"DATABASE_URL": url, "REDIS_URL": redis.url, "WEB_CONCURRENCY": "2", "LIMIT_MESSAGES_PER_S": "0"}
        self.server = Server(profile, env)
        exits.callback(self.server.close)
        manage("migrate", "--no-input", env=self.server.env)
        self.server.start()
        self.there = database.replace(f":{self.primary.port}/", f":{self.standby.port}/")


@pytest.fixture(params=["one name", "several hosts"])
def installation(request: pytest.FixtureRequest, profile: Profile) -> Iterator[Installation]:
    with ExitStack() as exits:
        yield Installation(profile, exits, both=request.param == "several hosts")


@pytest.mark.drill
async def test_promoted_standby_loses_nothing(installation: Installation) -> None:
    async with Crowd(installation.server.base_url, readers=4, writers=4) as crowd:
        await crowd.until_written(5)
        installation.primary.kill()
        # The name moves before the standby accepts writes, as behind a proxy that checks only for answers.
        installation.name.connect_to(installation.standby.port)
        deadline = monotonic() + FELT_WITHIN_S
        while not any(person.put_off for person in crowd.people):
            assert monotonic() < deadline, "the failover was not noticed"
            await asyncio.sleep(0.05)
        await asyncio.to_thread(installation.standby.promote)
        await crowd.until_written(5)
    acknowledged = await crowd.hold_to_the_log()
    assert crowd.ended() == [], "an absent database costs no socket"
    with psycopg.connect(installation.there, connect_timeout=5) as connection:
        assert connection.execute("SELECT count(*), max(seq) FROM chat_event").fetchone() == (acknowledged, acknowledged)
