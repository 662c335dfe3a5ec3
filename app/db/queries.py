"""Write a query once and run it through the ORM, or on Postgres without a thread.

A query is a generator. It yields its reads (of `WhereIn` or `Statement`, or a function for a database thread), receives their
results, and returns its own:

    TOKENS = WhereIn("digest", lambda: ApiToken.objects.values_list("digest", "user_id"))

    def owners(digests: list[str]) -> Query[dict[str, int]]:
        rows = yield TOKENS(digests)
        return dict(rows)
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from copy import copy
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from django.db import connections, router
from django.db.models import F, Lookup, Model, QuerySet

from db import database
from db.pool import Connection, Pool

R = TypeVar("R")


class WhereIn:
    """Rows whose `field` is one of some values.

    Its SQL is built once, since building costs as much as querying.
    """

    def __init__(self, field: str, rows: Callable[[], QuerySet[Any, Any]]) -> None:
        """`rows`: a queryset with `values_list` of columns without conversion.

        It may contain nothing variable, such as the time.
        """
        self.field, self.rows = field, rows

    def __call__(self, values: Iterable[Any]) -> TableRead:
        return TableRead(self, list(values))

    @cached_property
    def sql(self) -> Callable[[list[Any]], tuple[str, list[Any]]]:
        """Build the function from values to statement and parameters, for Postgres.

        Raises TypeError for a column that needs conversion. The parameter is one array: the statement is the same for any number.
        """
        place: list[Any] = []
        model = self.rows().model
        compiler = self.rows().filter(_InArray(F(self.field), place)).query.get_compiler("default")
        statement, known = compiler.as_sql()
        if compiler.get_converters([column for column, *_ in compiler.select]):
            raise TypeError(f"columns of {model.__name__} by {self.field} need conversion")
        return lambda values: (statement, [values if one is place else one for one in known])


class Prepared:
    """A query with whole numbers that differ from call to call.

    Its SQL is built once for each count of them.

    With a window and a subquery the ORM takes several times as long to build a statement as the database to answer it.
    """

    # Stand in for the numbers while the statement is built: no column's or condition's own number.
    _FIRST = 2_100_000_000
    # With more numbers a statement is built for its call alone: it takes memory, and comes rarely.
    _MOST_KEPT = 64

    def __init__(self, model: type[Model], rows: Callable[[Sequence[int]], QuerySet[Any, Any]]) -> None:
        """`rows`: a queryset of `model` with `values_list`, made of the numbers.

        Nothing else in it may vary.
        """
        self._model, self._rows = model, rows
        self._built: dict[tuple[str, int], tuple[str, list[Any], Any]] = {}

    def __call__(self, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
        """Run in a database thread, on the database that the ORM would read from."""
        connection = connections[router.db_for_read(self._model)]
        key = (connection.vendor, len(numbers))
        built = self._built.get(key)
        if built is None:
            built = self._build(connection, len(numbers))
            if len(numbers) <= self._MOST_KEPT:
                self._built[key] = built
        statement, known, compiler = built
        with connection.cursor() as cursor:
            cursor.execute(statement, [self._number(one, numbers) for one in known])
            rows = cursor.fetchall()
        here = copy(compiler)
        here.connection = connection  # converters are the connection's, which is its thread's
        return list(here.results_iter([rows], tuple_expected=True))

    def _build(self, connection: Any, count: int) -> tuple[str, list[Any], Any]:
        query = self._rows(range(self._FIRST, self._FIRST + count)).query
        compiler = query.get_compiler(connection=connection)
        statement, known = compiler.as_sql()
        compiler.connection = None  # it is another thread's for the next caller
        return statement, list(known), compiler

    def _number(self, known: Any, numbers: Sequence[int]) -> Any:
        """Return the number that a parameter stands for, in the parameter's type.

        The type tells psycopg the type of the column.
        """
        at = known - self._FIRST if isinstance(known, int) else -1
        return type(known)(numbers[at]) if 0 <= at < len(numbers) else known


class _InArray(Lookup[list[Any]]):
    """`field = ANY(%s)`, which Django lacks."""

    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        field, known = self.process_lhs(compiler, connection)
        return f"{field} = ANY(%s)", [*known, self.rhs]


class TableRead(NamedTuple):
    """A read of a query: its result is a list of tuples in the order of the statement."""

    among: WhereIn
    values: list[Any]

    def by_orm(self) -> list[tuple[Any, ...]]:
        """Run in a database thread."""
        return list(self.among.rows().filter(**{f"{self.among.field}__in": self.values}))

    async def by(self, pool: Pool) -> list[tuple[Any, ...]]:
        """Run on the event loop.

        Raises DatabaseUnavailable.
        """
        if not self.values:
            return []
        if "sql" not in vars(self.among):
            await database.run(lambda: self.among.sql)
        return await _rows(pool, *self.among.sql(self.values))


class Statement:
    """A read in SQL, for what WhereIn cannot say.

    `on_thread` reads the same in a database thread, on any database.
    """

    def __init__(self, sql: str, on_thread: Callable[..., list[tuple[Any, ...]]]) -> None:
        self.sql, self.on_thread = sql, on_thread

    def __call__(self, *parameters: Any) -> StatementRead:
        return StatementRead(self, parameters)


class StatementRead(NamedTuple):
    """A read of a query: its result is a list of tuples."""

    statement: Statement
    parameters: tuple[Any, ...]

    def by_orm(self) -> list[tuple[Any, ...]]:
        """Run in a database thread."""
        return self.statement.on_thread(*self.parameters)

    async def by(self, pool: Pool) -> list[tuple[Any, ...]]:
        """Run on the event loop.

        Raises DatabaseUnavailable.
        """
        return await _rows(pool, self.statement.sql, self.parameters)


async def _rows(pool: Pool, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    async def ask(connection: Connection) -> list[tuple[Any, ...]]:
        return await (await connection.execute(statement, parameters)).fetchall()

    return await pool.run(ask)


Query = Generator[TableRead | StatementRead | Callable[[], Any], Any, R]


def by_orm(answer: Query[R]) -> R:
    """Run a query in a database thread."""
    known: Any = None
    try:
        while True:
            wanted = answer.send(known)
            known = wanted.by_orm() if isinstance(wanted, TableRead | StatementRead) else wanted()
    except StopIteration as end:
        return end.value


async def by(pool: Pool, answer: Query[R]) -> R:
    """Run a query on the event loop, except its functions.

    Raises DatabaseUnavailable.
    """
    known: Any = None
    try:
        while True:
            wanted = answer.send(known)
            known = await (wanted.by(pool) if isinstance(wanted, TableRead | StatementRead) else database.run(wanted))
    except StopIteration as end:
        return end.value


def on_the_loop() -> bool:
    """Return whether this database can be queried without a thread."""
    return connections["default"].vendor == "postgresql"
