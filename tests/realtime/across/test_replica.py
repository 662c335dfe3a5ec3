"""REPLICA_URL: a standby answers pages of history and search.

The primary fills its lag.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from time import monotonic

import httpx
import psycopg
import pytest

from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.profile import Profile
from tests.support.server import Server, manage
from tests.support.services import Postgres, Redis, Standby

STALENESS_S = 3


class Installation:
    """One worker with a primary and an asynchronous standby."""

    def __init__(self, profile: Profile, exits: ExitStack) -> None:
        self.primary = exits.enter_context(Postgres())
        database = self.primary.create_database()
        self.standby = exits.enter_context(Standby(self.primary))
        self.ask(self.primary, "ALTER SYSTEM RESET synchronous_standby_names")
        self.ask(self.primary, "SELECT pg_reload_conf()")
        env = {
            "DATABASE_URL": database,
            "REPLICA_URL": database.replace(f":{self.primary.port}/", f":{self.standby.port}/"),
            "REPLICA_STALENESS_S": f"{STALENESS_S}",
            "REDIS_URL": exits.enter_context(Redis()).url,
            "WEB_CONCURRENCY": "1",
            "LIMIT_CALLS_PER_S": "0",
        }
        self.server = Server(profile, env)
        exits.callback(self.server.close)
        manage("migrate", "--no-input", env=self.server.env)
        self.server.start()

    @staticmethod
    def ask(server: Postgres, statement: str) -> None:
        with psycopg.connect(server.url(), autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement)

    def answered(self, by: str) -> float:
        """Return how many reads a server has answered so far."""
        text = httpx.get(f"{self.server.base_url}/metrics", timeout=10).text
        found = re.search(rf'^hubbub_replica_reads_total{{server="{by}"}} (\S+)$', text, re.MULTILINE)
        return float(found[1]) if found else 0.0


class Reader:
    def __init__(self, chat: ChatClient, room: str) -> None:
        self.chat, self.room = chat, room

    async def page(self) -> list[str]:
        page = await self.chat.request("history", room=self.room, before=2**53, timeout=15)
        return [message["text"] for message in page["messages"]]

    async def found(self, word: str) -> bool:
        return bool((await self.chat.request("search", query=word, timeout=15))["results"])

    async def until_answered(self, installation: Installation, by: str) -> None:
        """Ask for history until one more page came from this server."""
        before, deadline = installation.answered(by), monotonic() + 30
        while installation.answered(by) == before:
            assert monotonic() < deadline, f"no page came from the {by}"
            await self.page()
            await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def installation(profile: Profile) -> Iterator[Installation]:
    with ExitStack() as exits:
        yield Installation(profile, exits)


@pytest.fixture(scope="module")
def ada(installation: Installation) -> Account:
    return asyncio.run(sign_up(installation.server.base_url))


@pytest.fixture
async def reader(installation: Installation, ada: Account) -> AsyncIterator[Reader]:
    room = await create_room(installation.server.base_url, ada)
    async with ChatClient(installation.server.ws_url(), ada) as chat:
        await chat.join(room)
        await chat.send(room, "earlier")
        yield Reader(chat, room)


async def test_replica_answers_history_and_search(installation: Installation, reader: Reader) -> None:
    await reader.until_answered(installation, "replica")
    assert await reader.page() == ["earlier"]
    before = installation.answered("replica")
    assert await reader.found("earlier")
    assert installation.answered("replica") == before + 1


async def test_history_never_lacks_and_search_lacks_at_most_the_bound(installation: Installation, reader: Reader) -> None:
    await reader.until_answered(installation, "replica")
    installation.ask(installation.standby, "SELECT pg_wal_replay_pause()")
    try:
        sent = monotonic()
        await reader.chat.send(reader.room, "latecomer")
        assert await reader.page() == ["earlier", "latecomer"]
        assert not await reader.found("latecomer"), "the replica answers while it lacks less than the bound"
        while not await reader.found("latecomer"):
            assert monotonic() - sent < STALENESS_S + 5, "the bound is not held"
            await asyncio.sleep(0.1)
        before = installation.answered("replica")
        assert await reader.found("latecomer")
        assert installation.answered("replica") == before
    finally:
        installation.ask(installation.standby, "SELECT pg_wal_replay_resume()")
    await reader.until_answered(installation, "replica")
    assert await reader.found("latecomer")


async def test_room_the_replica_lacks_is_read_from_the_primary(installation: Installation, reader: Reader, ada: Account) -> None:
    await reader.until_answered(installation, "replica")
    installation.ask(installation.standby, "SELECT pg_wal_replay_pause()")
    try:
        new = Reader(reader.chat, await create_room(installation.server.base_url, ada))
        await new.chat.send(new.room, "first")
        assert await new.page() == ["first"]
    finally:
        installation.ask(installation.standby, "SELECT pg_wal_replay_resume()")


@pytest.mark.drill
@pytest.mark.parametrize("fault", ["frozen", "promoted", "killed"])
async def test_broken_replica_costs_nobody_an_answer(installation: Installation, reader: Reader, fault: str) -> None:
    if fault != "killed":
        await reader.until_answered(installation, "replica")
    faults: dict[str, Callable[[], None]] = {
        "frozen": installation.standby.freeze, "promoted": installation.standby.promote, "killed": installation.standby.kill,
    }  # fmt: skip
    faults[fault]()
    try:
        # More readers than the process has threads.
        pages = await asyncio.gather(*(reader.page() for _ in range(20)))
        assert pages == [["earlier"]] * 20
        await reader.chat.send(reader.room, "on it goes")
        await reader.until_answered(installation, "primary")
        begun = monotonic()
        assert await reader.page() == ["earlier", "on it goes"]
        assert await reader.found("goes")
        assert monotonic() - begun < 2, "the primary answers at once"
    finally:
        if fault == "frozen":
            installation.standby.thaw()
    assert "Traceback" not in installation.server.log
