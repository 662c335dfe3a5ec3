"""Fixtures for all tests. tests/support/profile.py chooses their servers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest

from tests.support import front_end
from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.ignored_signals import hear_ignored_signals
from tests.support.profile import Profile
from tests.support.profile import profile as chosen
from tests.support.server import Server
from tests.support.shared_tls_context import share_tls_contexts

StartServer = Callable[..., Server]
Connect = Callable[..., Awaitable[ChatClient]]

hear_ignored_signals()
share_tls_contexts()


# The longest files of each block, which must not begin last. pytest drops a path that another path contains.
LONGEST = (
    "tests/runbooks/",
    "tests/stack/test_upgrade.py",
    "tests/stack/test_roll.py",
    "tests/stack/test_roll_failures.py",
    "tests/features/test_pictures.py",
    "tests/browser/test_startfeature.py",
    "tests/browser/test_reconnect.py",
    "tests/browser/test_chat.py",
    "tests/server/test_drain.py",
    "tests/realtime/property/",
    "tests/loadtest/test_shape_runs.py",
    "tests/scripts/test_setup.py",
    "tests/scripts/test_test.py",
    "tests/loadtest/test_planted_faults.py",
    "tests/loadtest/test_load_run.py",
    "tests/loadtest/test_capacity.py",
    "tests/embedded/",
    "tests/config/test_openapi.py",
    "tests/k8s/",
    "tests/realtime/test_stalled_crowd.py",
    "tests/server/",
    "tests/realtime/across/",
)


# Fixtures that are a running server, or start one.
SERVERS = {"server", "unlimited", "start_server", "start_module_server"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; mark the tests that ask a running server.

    Making a database takes minutes beside other work; where it is cut off, all later tests fail.
    """
    items.sort(key=lambda item: next((at for at, path in enumerate(LONGEST) if item.nodeid.startswith(path)), len(LONGEST)))
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("served")
        if item.get_closest_marker("once") and item.get_closest_marker("fleet"):
            raise pytest.UsageError(f"{item.nodeid} is marked once and fleet: no block would run it")
        if item.get_closest_marker("django_db") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(400))  # the first one of a process makes its database


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the front end before the first test's time limit begins."""
    if not session.config.option.collectonly:
        front_end.build_for(session.items)


@pytest.fixture(scope="session")
def profile() -> Profile:
    """The profile of this run: embedded (SQLite) or postgres (with Redis).

    The first has one worker, the second has two.
    """
    return chosen


@pytest.fixture(scope="session", autouse=True)
def epoch() -> None:
    """Let a hub in the tests' own process greet without the database.

    The rows of the database are gone between tests.
    """
    from db import installation  # noqa: PLC0415  # not before Django's settings

    installation._epoch = "of-tests"


@pytest.fixture(scope="session")
def server(profile: Profile) -> Iterator[Server]:
    """A running server for all tests, without limits by address.

    To stop one, use `start_server`. No client's action may leave an error of ours in its log.
    """
    with ExitStack() as exits:
        shared = Server(profile)
        exits.callback(shared.close)
        shared.start()
        yield shared
        found = [line for line in shared.log.splitlines() if "Traceback" in line or "[error" in line]
        assert not found, shared.log[-20_000:]


@pytest.fixture
def start_server(profile: Profile) -> Iterator[StartServer]:
    """Start servers for one test: `start_server(LIMIT_MESSAGES_PER_S="5")`.

    All are ended afterwards.
    """
    with ExitStack() as exits:
        yield _starting(profile, exits)


@pytest.fixture(scope="module")
def start_module_server(profile: Profile) -> Iterator[StartServer]:
    """Start servers for the tests of one file with the same settings.

    A start takes one to two seconds of a core.
    """
    with ExitStack() as exits:
        yield _starting(profile, exits)


def _starting(profile: Profile, exits: ExitStack) -> StartServer:
    def start(**env: str) -> Server:
        own = Server(profile, env)
        exits.callback(own.close)
        own.start()
        return own

    return start


@pytest.fixture
async def ada(server: Server) -> Account:
    """A new user of the shared server."""
    return await sign_up(server.base_url)


@pytest.fixture
async def bob(server: Server) -> Account:
    """Another new user."""
    return await sign_up(server.base_url)


@pytest.fixture
async def room(server: Server, ada: Account) -> str:
    """A new public room that ada owns."""
    return await create_room(server.base_url, ada)


@pytest.fixture
async def connect(server: Server) -> AsyncIterator[Connect]:
    """Connect users to the shared server: `await connect()` signs up a new one.

    `connect(account)` does not.
    """
    async with AsyncExitStack() as exits:

        async def one(account: Any = None, *, path: str = "/ws/", **options: Any) -> ChatClient:
            account = account or await sign_up(server.base_url)
            return await exits.enter_async_context(ChatClient(server.ws_url(path), account, **options))

        yield one
