"""An event loop whose clock and database advance only on the test's command.

Nothing of the product is replaced: its timers wait for `advance`, its queries run in a database thread. The test
decides when a query runs and when its answer arrives, so that anything can happen in between.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal

from django.db import connections

# The withheld part of a database call: none, the query itself, or only its answer.
Hold = Literal["", "queries", "answers"]
_ITERATIONS = 5_000
_threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="test-database")


@contextmanager
def database_thread() -> Iterator[None]:
    """The thread of all queries.

    It closes its connections, so that the test database can be dropped.
    """
    yield
    in_database(connections.close_all)


def in_database(function: Callable[[], Any]) -> Any:
    """Call it in the database thread and return its result."""
    return _threads.submit(function).result(60)


class Query:
    """A call on its way to a database thread and back."""

    def __init__(self, function: Callable[[], Any], answer: asyncio.Future[Any] | Future[Any]) -> None:
        self.function, self.answer = function, answer
        self.done = False
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Run it in the database, once."""
        if self.done:
            return
        self.done = True
        try:
            self._result = in_database(self.function)
        except BaseException as error:  # noqa: BLE001 - raised again in the awaiting task
            self._error = error

    def tell(self) -> None:
        """Hand the answer over unless the caller was cancelled."""
        self.run()
        if self.answer.done():
            return
        if self._error is not None:
            self.answer.set_exception(self._error)
        else:
            self.answer.set_result(self._result)


class LoopThreads:
    """Replaces the product's database threads: a call becomes a query of its loop."""

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ProcessLoop)
        answer: Future[Any] = Future()
        loop.queries.append(Query(function, answer))
        return answer


class ProcessLoop(asyncio.SelectorEventLoop):
    """One process's loop."""

    def __init__(self) -> None:
        self.now = 1_000.0
        super().__init__()
        self.hold: Hold = ""
        self.draining = False
        self.queries: list[Query] = []
        # Futures that wait for real sockets: the group commits on Postgres.
        self.network: set[asyncio.Future[Any]] = set()
        self.set_exception_handler(lambda _loop, _context: None)

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        return self.ask(functools.partial(func, *args))

    def ask(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        """Start a query according to `hold`."""
        answer = self.create_future()
        self.queries.append(Query(function, answer))
        return answer

    def settle(self) -> None:
        """Run until every task waits for the clock, for the test, or for a withheld query."""
        for _ in range(_ITERATIONS):
            self.call_soon(self.stop)
            self.run_forever()
            if self._ready or self._selector.select(0):  # type: ignore[attr-defined]
                continue
            if not self._database() and not self._sockets():
                return
        raise AssertionError("the process never comes to rest")

    def advance(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        end = self.now + seconds
        self.settle()
        while (due := self._next_timer()) <= end:
            self.now = max(self.now, due)
            self.settle()
        self.now = end
        self.settle()

    def tell_one(self, index: int) -> None:
        """Deliver the answer of one withheld query, in any order."""
        if self.queries:
            self.queries.pop(index % len(self.queries)).tell()
            self.settle()

    def release(self) -> None:
        """Run all withheld queries and deliver their answers."""
        self.hold = ""
        self.settle()

    def _database(self) -> bool:
        if self.hold == "answers":
            for query in self.queries:
                query.run()
        if self.hold or not self.queries:
            return False
        self.queries.pop(0).tell()
        return True

    def _sockets(self) -> bool:
        waiting = {future for future in self.network if not future.done()}
        if waiting:
            self.run_until_complete(asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED))
        self.network.clear()
        self.network |= {future for future in waiting if not future.done()}
        return bool(waiting)

    def _next_timer(self) -> float:
        timers: Any = self._scheduled  # type: ignore[attr-defined]
        return min((timer.when() for timer in timers if not timer.cancelled()), default=float("inf"))


class LoopState:
    """Replaces the product's `core.state`, one for each process."""

    @property
    def draining(self) -> bool:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ProcessLoop)
        return loop.draining


class LoopClock:
    """Replaces `time` in the product's modules by the clock of the loop."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def time(self) -> float:
        return asyncio.get_running_loop().time()
