"""Several statements in one trip: their rows, their errors, and what is left of the connection."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from django.db import connection as django_connection
from psycopg.pq import TransactionStatus

from ops.pool import Connection
from ops.trip import BEGIN, COMMIT, Statement, trip, undo
from tests.support.profile import Profile

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = Statement("test_number", "SELECT $1::int, $2::text")
SLEEP = Statement("test_sleep", "SELECT pg_sleep(20)")
DIVIDE = Statement("test_divide", "SELECT 1 / $1::int")
PLACE = Statement("test_place", "CREATE TEMPORARY TABLE placed (number int UNIQUE)")
PUT = Statement("test_put", "INSERT INTO placed SELECT unnest($1::int[])")
COUNT = Statement("test_count", "SELECT count(*) FROM placed")
PREPARED = Statement("test_prepared", "SELECT count(*) FROM pg_prepared_statements WHERE name = 'test_number'")


@pytest.fixture
async def connection(profile: Profile) -> AsyncIterator[Connection]:
    known = django_connection.get_connection_params()
    kwargs = {name: value for name, value in known.items() if name not in {"cursor_factory", "context", "pool"}}
    async with await psycopg.AsyncConnection.connect(**kwargs, autocommit=True) as opened:
        yield opened


async def test_each_statement_has_its_rows(connection: Connection) -> None:
    first, nothing, second = await trip(connection, (NUMBER, ["1", 'ä"\\']), (PLACE, ()), (NUMBER, ["2", ""]))
    assert (first, nothing, second) == ([(1, 'ä"\\')], [], [(2, "")])
    assert connection.pgconn.transaction_status == TransactionStatus.IDLE
    assert await (await connection.execute("SELECT 3")).fetchall() == [(3,)], "psycopg goes on as before"


async def test_a_statement_is_prepared_once(connection: Connection) -> None:
    for _ in range(3):
        await trip(connection, (NUMBER, ["1", "x"]), (NUMBER, ["1", "x"]))
    assert await trip(connection, (PREPARED, ())) == [[(1,)]]


async def test_what_follows_an_error_is_not_executed(connection: Connection) -> None:
    await trip(connection, (PLACE, ()))
    with pytest.raises(psycopg.errors.DivisionByZero):
        await trip(connection, (BEGIN, ()), (PUT, ["{1,2}"]), (DIVIDE, ["0"]), (PUT, ["{3}"]), (COMMIT, ()))
    assert connection.pgconn.transaction_status == TransactionStatus.INERROR
    await undo(connection)
    assert await trip(connection, (COUNT, ())) == [[(0,)]]
    await undo(connection)
    await trip(connection, (BEGIN, ()), (PUT, ["{1,2}"]), (COMMIT, ()))
    with pytest.raises(psycopg.errors.UniqueViolation):
        await trip(connection, (PUT, ["{3,2}"]))
    assert await trip(connection, (COUNT, ()), (DIVIDE, ["1"])) == [[(2,)], [(1,)]]


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
async def test_what_cannot_be_sent_costs_nothing(connection: Connection, value: str) -> None:
    with pytest.raises(ValueError, match=r"NUL|surrogates"):
        await trip(connection, (NUMBER, ["1", value]))
    assert await trip(connection, (NUMBER, ["1", "x"])) == [[(1, "x")]]


async def test_more_than_the_network_takes_at_once_goes_both_ways(connection: Connection) -> None:
    large = "ä" * 8_000_000
    answers = await trip(connection, *[(NUMBER, ["1", large])] * 4)
    assert answers == [[(1, large)]] * 4


async def test_a_connection_that_ends_is_said_to_have(connection: Connection) -> None:
    other = await psycopg.AsyncConnection.connect(connection.info.dsn, password=connection.info.password, autocommit=True)
    async with other:
        asked = asyncio.create_task(trip(connection, (BEGIN, ()), (SLEEP, ())))
        await asyncio.sleep(0.3)
        await other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            await asyncio.wait_for(asked, 10)
    await undo(connection)
    assert connection.closed
    with pytest.raises(psycopg.OperationalError):
        await trip(connection, (NUMBER, ["1", "x"]))


async def test_who_gives_up_leaves_no_connection_that_still_has_something_to_say(connection: Connection) -> None:
    sleeper = connection.info.backend_pid
    other = await psycopg.AsyncConnection.connect(connection.info.dsn, password=connection.info.password, autocommit=True)
    async with other:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(trip(connection, (SLEEP, ())), 0.3)
        assert connection.closed
        await other.execute("SELECT pg_terminate_backend(%s)", [sleeper])  # the test's database is dropped next
