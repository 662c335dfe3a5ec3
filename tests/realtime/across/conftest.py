"""Two servers of one worker each, so that each user's process is known."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.profile import Profile
from tests.support.server import Server, manage
from tests.support.services import Postgres, Redis


@dataclass
class Pair:
    """Two processes that share all but memory."""

    one: Server
    two: Server
    redis: Redis
    postgres: Postgres | None = None


def start_pair(
    profile: Profile, exits: ExitStack, postgres: Postgres | None = None, extra: Mapping[str, str] | None = None
) -> Pair:
    """Start two servers that end with `exits`."""
    redis = exits.enter_context(Redis())
    env = {"REDIS_URL": redis.url, "WEB_CONCURRENCY": "1", "LIMIT_MESSAGES_PER_S": "0", **(extra or {})}
    one = Server(profile, env)
    exits.callback(one.close)
    if postgres is not None:
        one.env["DATABASE_URL"] = postgres.create_database()
        manage("migrate", "--no-input", env=one.env)
    two = Server(profile, env | {"DATABASE_URL": one.env["DATABASE_URL"]})
    exits.callback(two.close)
    for server in (one, two):
        server.start()
    return Pair(one, two, redis, postgres)


@pytest.fixture(scope="session")
def pair(profile: Profile) -> Iterator[Pair]:
    """Two shared processes; a test that damages their Redis must restore it."""
    with ExitStack() as exits:
        yield start_pair(profile, exits)


@pytest.fixture(scope="session")
def fragile(profile: Profile) -> Iterator[Pair]:
    """Two processes on a Postgres that tests may stop and start."""
    with ExitStack() as exits:
        postgres = exits.enter_context(Postgres())
        yield start_pair(profile, exits, postgres)


async def healthy(pair: Pair) -> None:
    """Wait until both processes report a working layer."""
    async with httpx.AsyncClient() as http:
        for _ in range(150):
            answers = [(await http.get(f"{server.base_url}/readyz")).json() for server in (pair.one, pair.two)]
            if all(answer["degraded"] == [] for answer in answers):
                return
            await asyncio.sleep(0.1)
    raise AssertionError("the layer did not heal")


class Circle:
    """Ada on the first process, Bob on the second, both in one room."""

    def __init__(self, pair: Pair, ada: Account, bob: Account, room: str, exits: AsyncExitStack) -> None:
        self.pair, self.ada, self.bob, self.room, self._exits = pair, ada, bob, room, exits

    async def connect(self, server: Server, account: Account, *, join: bool = True) -> ChatClient:
        """Open and join another socket."""
        chat = await self._exits.enter_async_context(ChatClient(server.ws_url(), account))
        if join:
            await chat.join(self.room)
        return chat

    async def here(self, **options: Any) -> ChatClient:
        """Open a socket of Ada on the first process."""
        return await self.connect(self.pair.one, self.ada, **options)

    async def there(self, **options: Any) -> ChatClient:
        """Open a socket of Bob on the second process."""
        return await self.connect(self.pair.two, self.bob, **options)


async def circle_of(pair: Pair, exits: AsyncExitStack) -> Circle:
    """Make two new users with a room."""
    ada, bob = await sign_up(pair.one.base_url), await sign_up(pair.two.base_url)
    return Circle(pair, ada, bob, await create_room(pair.one.base_url, ada), exits)


@pytest.fixture
async def circle(pair: Pair) -> AsyncIterator[Circle]:
    """Two users on the two processes.

    Both hear each other: a process that still subscribes would miss messages that are sent once, such as a stream's frames.
    """
    await healthy(pair)
    async with AsyncExitStack() as exits:
        yield await circle_of(pair, exits)


@pytest.fixture
async def fragile_circle(fragile: Pair) -> AsyncIterator[Circle]:
    """Two users on a database that may be stopped."""
    async with AsyncExitStack() as exits:
        yield await circle_of(fragile, exits)
