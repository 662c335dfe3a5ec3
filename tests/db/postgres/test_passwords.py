"""The role's password is changed under running servers, and nobody notices."""

import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from db.passwords import Passwords
from tests.conftest import StartServer
from tests.support.crowd import Crowd
from tests.support.server import base_environment, manage
from tests.support.services import Postgres

OLD, COMING = "the-old-password", "the-coming-password"


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A cluster of its own with the role `app`, which owns the database `chat`."""
    with Postgres() as running:
        for statement in (f"CREATE ROLE app LOGIN PASSWORD '{OLD}'", "CREATE DATABASE chat OWNER app"):
            execute(running, statement)
        yield running


def execute(postgres: Postgres, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(postgres.url(), autocommit=True, connect_timeout=5) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def address(postgres: Postgres, password: str = OLD) -> str:
    return f"postgres://app:{password}@127.0.0.1:{postgres.port}/chat"


@pytest.mark.integration
@pytest.mark.timeout(180)
async def test_nobody_notices_a_new_password(postgres: Postgres, start_server: StartServer) -> None:
    env = {"DATABASE_URL": address(postgres), "SECRET_KEY": os.environ["SECRET_KEY"]}
    manage("migrate", "--no-input", env=base_environment() | env)
    server = start_server(DATABASE_PASSWORD_FALLBACK=COMING, **env)
    async with Crowd(server.base_url, readers=2, writers=1, askers=1) as crowd:
        await crowd.until_written(5)
        execute(postgres, f"ALTER ROLE app PASSWORD '{COMING}'")
        ((changed,),) = execute(postgres, "SELECT now()")
        # Busy enough for further connections, of both kinds of pools.
        async with Crowd(server.base_url, readers=4, writers=8, askers=12) as more:
            await more.until_written(30)
            opened = execute(postgres, "SELECT backend_start FROM pg_stat_activity WHERE usename = 'app'")
        await crowd.until_written(5)
    for one in (crowd, more):
        await one.hold_to_the_log()
        assert one.failed_requests == []
    assert [begun for (begun,) in opened if begun > changed], "no connection was opened with the new password"
    # A process that starts in between has the old one in DATABASE_URL, too.
    server.stop()
    server.start()
    async with Crowd(server.base_url, writers=2, askers=1) as after:
        await after.until_written(5)
    assert after.failed_requests == []


def test_good_password_is_tried_first_from_then_on(postgres: Postgres) -> None:
    passwords = Passwords(OLD, COMING)
    connect = passwords.connection_class().connect
    connect(address(postgres)).close()
    assert passwords.in_turn() == (OLD, COMING)
    execute(postgres, f"ALTER ROLE app PASSWORD '{COMING}'")
    connect(address(postgres)).close()
    assert passwords.in_turn() == (COMING, OLD)
    execute(postgres, f"ALTER ROLE app PASSWORD '{OLD}'")
    connect(address(postgres)).close()
    assert passwords.in_turn() == (OLD, COMING)
    execute(postgres, "ALTER ROLE app PASSWORD 'a third'")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(address(postgres))


async def test_loop_connects_by_either_password(postgres: Postgres) -> None:
    passwords = Passwords(COMING, OLD)
    connection = await passwords.async_connection_class().connect(address(postgres))
    assert isinstance(connection, psycopg.AsyncConnection)
    await connection.close()
    assert passwords.in_turn() == (OLD, COMING)


def test_server_that_is_silent_costs_one_wait() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.monotonic()
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            Passwords(OLD, COMING).connection_class().connect(
                f"postgres://app@127.0.0.1:{silent.getsockname()[1]}/chat", connect_timeout=2
            )
    assert time.monotonic() - begun < 3.5
