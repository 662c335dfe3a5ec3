"""A process of the product without Gunicorn, on the real database."""

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
from chat.batch import PendingEvent, Result
from chat.group_commit import GroupCommitter, Store
from chat.store_orm import OrmStore
from chat.store_postgres import PostgresStore
from core.limits import Limits
from server.websocket.socket_protocol import LINGER_S
from tests.realtime.property.loop import ProcessLoop
from tests.realtime.property.network import End, Network

if TYPE_CHECKING:
    from tests.realtime.property.wires import Wire


class HeldStore:
    """The real store on Postgres.

    Each commit waits for the test before and after it, like queries.
    """

    def __init__(self, loop: ProcessLoop, store: PostgresStore) -> None:
        self._loop, self._store = loop, store

    async def store(self, batch: Sequence[PendingEvent]) -> list[Result]:
        if self._loop.hold == "queries":
            await self._loop.ask(lambda: None)
        committing = asyncio.ensure_future(self._store.store(batch))
        self._loop.network.add(committing)
        results = await asyncio.shield(committing)
        if self._loop.hold:
            await self._loop.ask(lambda: None)
        return results

    async def close(self) -> None:
        """Do nothing: the next start of the process reuses the connections."""


_CANCELS = 3
DRAIN_S = 2.0


class Process:
    """Starts, crashes and restarts.

    Loop and Postgres connections stay; hub and writer are new.
    """

    def __init__(self, name: str, patch: pytest.MonkeyPatch, limits: Limits) -> None:
        self.name, self._patch, self._limits = name, patch, limits
        self.loop = ProcessLoop()
        self._postgres = PostgresStore(limits) if connection.vendor == "postgresql" else None
        self.alive = False
        self.end: End
        self.tasks: set[asyncio.Task[Any]] = set()
        self.wires: list[Wire] = []
        self.server = ServerState()

    def start(self, network: Network) -> None:
        """Start with a new hub and writer."""
        self.end = End(network)
        self._patch.setattr(realtime.layer.bus, "get_channel_layer", lambda: self.end)
        store: Store = HeldStore(self.loop, self._postgres) if self._postgres else OrmStore()
        writers.writer.put(self.loop, GroupCommitter(store))
        self.alive = True
        self.loop.hold, self.loop.draining = "", False
        self.loop.queries.clear()
        self.run(self._start_hub())
        self.loop.settle()

    def crash(self) -> None:
        """End at once: unsent frames are lost, but the database finishes started queries."""
        if not self.alive:
            return
        self.alive = False
        self.end.die()
        hub, writer = hubs.current.take(self.loop), writers.writer.take(self.loop)
        for served in list(self.server.connections):
            served.transport.abort()
        tasks = {*self.tasks, *self.server.tasks, *hub.tasks.running, *hub.bus._tasks}
        tasks |= writer.tasks()
        writer.cancel_timer()
        self.loop.hold = "queries"  # queries that did not reach the database are lost
        # A second cancellation: before Python 3.12 `wait_for` may swallow the first.
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
        """End like on SIGTERM, by DrainingServer's steps.

        `knock` runs when handshakes are refused.
        """
        self.loop.release()
        self.loop.draining = True
        draining = self.run(hubs.current[self.loop].handover.drain(DRAIN_S, hurry=lambda: False))
        knock()
        self.loop.advance(DRAIN_S + LINGER_S)
        assert draining.done(), "the drain does not end"
        finishing = self.run(self._finish())
        self.loop.advance(1.0)
        assert finishing.done(), "the open commits are not finished"
        self.crash()

    async def _start_hub(self) -> None:
        hubs.current.put(self.loop, hubs.Hub(self._limits)).start()

    async def _finish(self) -> None:
        await writers.writer[self.loop].close()
        await hubs.current[self.loop].stop()

    def close(self) -> None:
        """End finally."""
        self.crash()
        if self._postgres:
            self.loop.run_until_complete(self._postgres.close())
        self.loop.close()

    def run(self, work: Any) -> asyncio.Task[Any]:
        """Start a task of this process."""
        task: asyncio.Task[Any] = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def deliver(self, number: int) -> None:
        """Deliver the layer's oldest messages together."""
        self._call(lambda: self.end.deliver(number))

    def restore_layer(self, *, resend: bool) -> None:
        """Restore the layer."""
        self._call(lambda: self.end.restore(resend=resend))

    def unused_rooms(self) -> int:
        """Return the open rooms without sockets; they are closed after a while."""
        return sum(not room.in_use for room in hubs.current[self.loop].registry.rooms.values()) if self.alive else 0

    def _call(self, function: Callable[[], None]) -> None:
        """Call on the running loop, and run the resulting tasks."""
        if self.alive:
            self.loop.call_soon(function)
            self.loop.settle()
