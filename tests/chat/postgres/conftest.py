"""What can happen to the server behind the log's connections."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from chat.group_commit import GroupCommitter
from chat.store_postgres import PostgresStore
from tests.chat.postgres.line import Line
from tests.support.profile import Profile

ReadOnly = Callable[[bool], None]


@pytest.fixture
async def line(profile: Profile) -> AsyncIterator[Line]:
    """A way to the server that can be hurt."""
    assert profile.postgres
    async with Line(profile.postgres.port) as made:
        yield made


@pytest.fixture
async def through(line: Line, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], Awaitable[PostgresStore]]]:
    """Make a store whose connections lead through the line."""
    made: list[PostgresStore] = []

    async def store() -> PostgresStore:
        made.append(PostgresStore())
        with monkeypatch.context() as patch:
            patch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
            patch.setitem(connection.settings_dict, "PORT", str(line.port))
            await made[-1].pool.open()
        return made[-1]

    yield store
    for each in made:
        await each.close()


@pytest.fixture
async def writer(through: Callable[[], Awaitable[PostgresStore]]) -> AsyncIterator[GroupCommitter]:
    """A writer whose connections lead through the line."""
    made = GroupCommitter(await through())
    yield made
    await made.close()


@pytest.fixture
def read_only(profile: Profile, transactional_db: None) -> Iterator[ReadOnly]:
    """Provide `read_only(True)`, which makes this test's database read-only.

    New connections may then not write, as on a standby.
    """
    assert profile.postgres
    server = profile.postgres

    def switch(on: bool) -> None:
        statement = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
        with psycopg.connect(server.url(), autocommit=True, connect_timeout=5) as own:
            own.execute(statement.format(sql.Identifier(connection.settings_dict["NAME"]), sql.Literal("on" if on else "off")))

    yield switch
    switch(False)
    connection.pool.drain()  # type: ignore[attr-defined]
