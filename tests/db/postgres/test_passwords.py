"""The role's password changes under running servers, and no request fails."""

import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from db.passwords import Passwords
from tests.conftest import StartServer
from tests.server.test_drain import drained
from tests.support.crowd import Crowd
from tests.support.server import base_environment, manage
from tests.support.services import Postgres

OPENED = "SELECT backend_start FROM pg_stat_activity WHERE usename = 'app'"
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


@pytest.mark.drill
@pytest.mark.integration
@pytest.mark.timeout(300)
async def test_nobody_notices_a_new_password(postgres: Postgres, start_server: StartServer) -> None:
    """All workers are replaced after ALTER ROLE.

    The new ones have the old password in DATABASE_URL, too.
    """
    env = {"DATABASE_URL": address(postgres), "SECRET_KEY": os.environ["SECRET_KEY"]}
    manage("migrate", "--no-input", env=base_environment() | env)
    server = start_server(DATABASE_PASSWORD_FALLBACK=COMING, DRAIN_SECONDS="5", **env)
    async with Crowd(server.base_url, readers=3, writers=3, askers=2) as crowd:
        await crowd.until_written(5)
        execute(postgres, f"ALTER ROLE app PASSWORD '{COMING}'")
        ((changed,),) = execute(postgres, "SELECT now()")
        code, said = await drained(server, "--recycle")
        assert code == 0, said
        await crowd.until_written(10)
        opened = [begun for (begun,) in execute(postgres, OPENED)]
    await crowd.hold_to_the_log()
    assert set(crowd.failed_requests) == set()
    assert opened
    assert min(opened) > changed


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
