"""A process of the product without Gunicorn: its own event loop, hub and writer, on the real database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from uvicorn.server import ServerState

import chat.group_commit as writers
import realtime.hub as hubs
import realtime.layer.bus
from chat.batch import Append, Result
from chat.group_commit import Store, Writer
from chat.store_orm import OrmStore
from chat.store_postgres import PostgresStore
from server.websocket.socket_protocol import LINGER_S
from tests.realtime.property.loop import ProcessLoop
from tests.realtime.property.network import End, Network

if TYPE_CHECKING:
    from tests.realtime.property.wires import Wire


class HeldStore:
    """The real store on Postgres, which waits for the test before and after a commit, as queries in threads do."""

    def __init__(self, loop: ProcessLoop, store: PostgresStore) -> None:
        self._loop, self._store = loop, store

    async def store(self, batch: Sequence[Append]) -> list[Result]:
        if self._loop.hold == "queries":
            await self._loop.ask(lambda: None)
        committing = asyncio.ensure_future(self._store.store(batch))
        self._loop.network.add(committing)
        results = await asyncio.shield(committing)
        if self._loop.hold:
            await self._loop.ask(lambda: None)
        return results

    async def close(self) -> None:
        """Its connections are kept for the next life of the process."""


_CANCELS = 3
DRAIN_S = 2.0


class Process:
    """Starts, crashes and starts again. The loop and its connections to Postgres stay, hub and writer do not."""

    def __init__(self, name: str, patch: pytest.MonkeyPatch) -> None:
        self.name, self._patch = name, patch
        self.loop = ProcessLoop()
        self._postgres = PostgresStore() if connection.vendor == "postgresql" else None
        self.alive = False
        self.end: End
        self.tasks: set[asyncio.Task[Any]] = set()
        self.wires: list[Wire] = []
        self.server = ServerState()

    def start(self, network: Network) -> None:
        """Begins a new life."""
        self.end = End(network)
        self._patch.setattr(realtime.layer.bus, "get_channel_layer", lambda: self.end)
        store: Store = HeldStore(self.loop, self._postgres) if self._postgres else OrmStore()
        writers.writer.put(self.loop, Writer(store))
        self.alive = True
        self.loop.hold, self.loop.draining = "", False
        self.loop.queries.clear()
        self.run(_start_hub())
        self.loop.settle()

    def crash(self) -> None:
        """Ends at once: nothing it has not yet said is said any more. What the database was given, it finishes."""
        if not self.alive:
            return
        self.alive = False
        self.end.die()
        hub, writer = hubs.current.take(self.loop), writers.writer.take(self.loop)
        for served in list(self.server.connections):
            served.transport.abort()
        tasks = {*self.tasks, *self.server.tasks, *hub._tasks, *hub.bus._tasks}
        tasks |= writer.tasks()
        writer.cancel_timer()
        self.loop.hold = "queries"  # what did not reach the database never will
        # Once more where the end of a wait swallowed it: `wait_for` does before Python 3.12.
        for _ in range(_CANCELS):
            left = [task for task in tasks if not task.done()]
            for task in left:
                task.cancel()
            self.loop.settle()
        assert all(task.done() for task in tasks), "a task outlives its process"
        for wire in self.wires:
            wire.abandon()
        self.wires.clear()
        self.tasks.clear()
        self.loop.queries.clear()

    def drain(self, knock: Callable[[], None]) -> None:
        """Ends as on SIGTERM; `knock` is called when it takes no more handshakes. The steps are those of DrainingServer."""
        self.loop.release()
        self.loop.draining = True
        draining = self.run(hubs.current[self.loop].drain(DRAIN_S, hurry=lambda: False))
        knock()
        self.loop.advance(DRAIN_S + LINGER_S)
        assert draining.done(), "the drain does not end"
        finishing = self.run(self._finish())
        self.loop.advance(1.0)
        assert finishing.done(), "the open commits are not finished"
        self.crash()

    async def _finish(self) -> None:
        await writers.writer[self.loop].close()
        await hubs.current[self.loop].stop()

    def close(self) -> None:
        """Ends for good."""
        self.crash()
        if self._postgres:
            self.loop.run_until_complete(self._postgres.close())
        self.loop.close()

    def run(self, work: Any) -> asyncio.Task[Any]:
        """A task of this process."""
        task: asyncio.Task[Any] = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def deliver(self, number: int) -> None:
        """The oldest messages of the layer arrive together."""
        self._call(lambda: self.end.deliver(number))

    def restore_layer(self, *, resend: bool) -> None:
        """The layer is back."""
        self._call(lambda: self.end.restore(resend=resend))

    def unused_rooms(self) -> int:
        """Return the open rooms without sockets; they are closed after a while."""
        return sum(not room.in_use for room in hubs.current[self.loop].rooms.values()) if self.alive else 0

    def _call(self, function: Callable[[], None]) -> None:
        """On the running loop, with what follows from it."""
        if self.alive:
            self.loop.call_soon(function)
            self.loop.settle()


async def _start_hub() -> None:
    hubs.current()
