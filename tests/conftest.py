"""Fixtures every test may use. What the tests run on is chosen in tests/support/profile.py."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest

from tests.support.chat_client import ChatClient, sign_up
from tests.support.ignored_signals import hear_ignored_signals
from tests.support.profile import Profile
from tests.support.profile import profile as chosen
from tests.support.server import Server
from tests.support.shared_tls_context import share_tls_contexts

StartServer = Callable[..., Server]
Connect = Callable[..., Awaitable[ChatClient]]

hear_ignored_signals()
share_tls_contexts()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start servers of their own, which takes seconds."""
    for item in items:
        if "start_server" in getattr(item, "fixturenames", ()):
            item.add_marker("own_servers")


@pytest.fixture(scope="session")
def profile() -> Profile:
    """What this run stands on: embedded (SQLite, one worker) or postgres (Postgres, Redis, two workers)."""
    return chosen


@pytest.fixture(scope="session")
def server(profile: Profile) -> Iterator[Server]:
    """One running server for all tests that can share it; limits by address are lifted. Do not stop it: `start_server`."""
    with ExitStack() as exits:
        shared = Server(profile)
        exits.callback(shared.close)
        shared.start()
        yield shared


@pytest.fixture
def start_server(profile: Profile) -> Iterator[StartServer]:
    """Start servers of this test alone: `start_server(LIMIT_MESSAGES_PER_S="5")`; all are ended afterwards."""
    with ExitStack() as exits:

        def start(**env: str) -> Server:
            own = Server(profile, env)
            exits.callback(own.close)
            own.start()
            return own

        yield start


@pytest.fixture
async def connect(server: Server) -> AsyncIterator[Connect]:
    """Connect users to the shared server: `await connect()` signs up a new one; `connect(account)` does not."""
    async with AsyncExitStack() as exits:

        async def one(account: Any = None, *, path: str = "/ws/", **options: Any) -> ChatClient:
            account = account or await sign_up(server.base_url)
            return await exits.enter_async_context(ChatClient(server.ws_url(path), account, **options))

        yield one
