"""Every copy of a note becomes equal in spite of faults.

The faults are losses, doubles, delays and kills between three processes.
"""

import asyncio
import json
import random
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import close_old_connections
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

import features.notes.versions
from accounts.models import User
from core.features import installed
from db import database
from features.notes import crdt, services
from features.notes.models import Document
from features.notes.services import Incoming
from features.notes.versions import note_compact
from features.notes.writer import NoteWriter
from realtime.open_parts import Numbered, Parts
from realtime.publish import Person, RoomRef
from rooms.models import Membership, Room
from tests.features.notes.editor import Copy

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

STEPS = 60
PROCESSES = 3
CLIENTS = 5


class World:
    """A room with a writer.

    Make it in a database thread.
    """

    def __init__(self) -> None:
        user = User.objects.create(username="ada")
        room = Room.objects.create(slug="room")
        Membership.objects.create(room=room, user=user)
        self.ada, self.room = Person(user.id, "ada"), RoomRef(room.id, room.slug, direct=False)
        self.notes = 0

    def note(self) -> int:
        self.notes += 1
        services.document_create(self.room, self.notes, "Plan", self.ada.id)
        return self.notes


@pytest.fixture
async def world() -> AsyncIterator[World]:
    yield await database.run(World)
    await asyncio.gather(*(database.run(close_old_connections) for _ in range(settings.DATABASE_THREADS)))


class Network:
    """The layer between the processes.

    It loses, doubles and delays.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.held = chance, list[tuple[int, dict[str, Any]]]()
        self.processes: list[Process] = []

    def send(self, sender: "Process", message: dict[str, Any]) -> None:
        others = [number for number, one in enumerate(self.processes) if one is not sender]
        for number in others:
            copies = self.chance.choice((0, 1, 1, 1, 2))
            self.held += [(number, json.loads(json.dumps(message)))] * copies

    def deliver(self, many: int) -> None:
        self.chance.shuffle(self.held)
        for number, message in self.held[:many]:
            self.processes[number].parts.on_message(message)
        del self.held[:many]


class Process:
    def __init__(self, network: Network) -> None:
        self.parts = Parts(SimpleNamespace(send=lambda _, message: network.send(self, message)))  # type: ignore[arg-type]


class Client(Copy):
    """A copy with a socket to one process, or without one."""

    hub = SimpleNamespace(spawn=lambda work: work.close())

    def __init__(self, ada: Person) -> None:
        super().__init__()
        self.user, self.state, self.process = ada, dict[str, Any](), None

    process: Process | None

    def push_batch(self, batch: Any) -> None:
        for text in batch.texts:
            self.apply(b64decode(json.loads(text)["update"]))

    def edit(self, chance: random.Random) -> None:
        if len(self.text) > 4 and chance.random() < 0.3:
            start = chance.randrange(len(self.text) - 2)
            del self.text[start : start + 2]
        else:
            self.write(chance.choice(("a", "bc", "def")), chance.randrange(len(self.text) + 1))


class Run:
    """One note, its clients and the processes that serve them."""

    def __init__(self, world: World, note: int, chance: random.Random) -> None:
        self.world, self.note, self.chance = world, note, chance
        self.network = Network(chance)
        self.network.processes = [Process(self.network) for _ in range(PROCESSES)]
        self.clients: list[Any] = [Client(world.ada) for _ in range(CLIENTS)]

    async def open(self, client: Any) -> None:
        room, parts = self.world.room, self.chance.choice(self.network.processes)
        client.process, client.state = parts, {}
        parts.parts.open(client, room, "note", self.note)
        vector = client.doc.get_state()
        read = await database.run(services.note_open, self.world.ada.id, room.slug, self.note, vector)
        if self.chance.random() < 0.3:
            await self.send(self.chance.choice(self.clients))  # committed between the reading and its end
        client.apply(read.update)
        parts.parts.opened(room, "note", self.note, read.number)
        client.unsent = [client.missing(read.vector)]

    async def send(self, client: Any, *, killed: bool = False) -> None:
        """Store and push the client's unsent updates.

        `killed`: the process ends between the two.
        """
        if client.process is None or not client.unsent:
            return
        updates, client.unsent = client.unsent, []
        incoming = [Incoming(self.world.ada, update) for update in updates]
        numbers = (await database.run(services.updates_store, self.world.room, self.note, incoming)).results
        assert all(isinstance(number, int) for number in numbers), numbers
        if killed:
            client.unsent = updates  # no reply: it sends them again
            self.kill(client.process)
            return
        frames = [
            Numbered(number, services.push(self.world.room, self.note, number, self.world.ada, update))
            for number, update in zip(numbers, updates, strict=True)
            if isinstance(number, int) and number
        ]
        client.process.parts.push(self.world.room, "note", self.note, frames, but_for=[client] * len(frames))

    def kill(self, process: Process) -> None:
        self.network.processes[self.network.processes.index(process)] = Process(self.network)
        for client in self.clients:
            if client.process is process:
                client.process = None

    async def step(self) -> None:
        client = self.chance.choice(self.clients)
        what = self.chance.choices(
            ("edit", "send", "deliver", "open", "cut", "killed", "kill", "compact", "repair"), (8, 8, 6, 4, 1, 1, 1, 1, 1)
        )[0]
        if what == "edit":
            client.edit(self.chance)
        elif what in {"send", "killed"}:
            await self.send(client, killed=what == "killed")
        elif what == "deliver":
            self.network.deliver(self.chance.randrange(1, 6))
        elif what == "open" and client.process is None:
            await self.open(client)
        elif what == "cut" and client.process is not None:
            client.process.parts.closed(client)
            client.process = None
        elif what == "kill":
            self.kill(self.chance.choice(self.network.processes))
        elif what == "compact":
            await database.run(lambda: note_compact(document_id(self.world.room, self.note)))
        elif what == "repair":
            await self.repair()

    async def repair(self) -> None:
        for process in self.network.processes:
            await process.parts._repair(installed().parts["note"])

    async def settle(self) -> None:
        """All clients come back and send everything; the network loses the rest."""
        for client in self.clients:
            if client.process is None:
                await self.open(client)
            await self.send(client)
        self.network.held.clear()
        await self.repair()  # notes the heads
        await self.repair()  # reads what is below them


def document_id(room: RoomRef, note: int) -> int:
    return int(Document.objects.values_list("id", flat=True).get(room_id=room.id, seq=note))


@examples(max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
async def test_all_copies_become_equal(world: World, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(features.notes.versions, "KEEP", timedelta(0))  # repairs meet updates that are in the snapshot only
    run = Run(world, await database.run(world.note), random.Random(seed))
    for _ in range(STEPS):
        await run.step()
    await run.settle()
    update, _ = await database.run(lambda: services.whole(document_id(world.room, run.note)))
    assert {str(client) for client in run.clients} == {crdt.text_of(update)}


async def test_idle_note_takes_no_memory_of_a_process(world: World) -> None:
    """A process holds no document.

    It has a place while a socket has the note open, and a queue while updates wait.
    """
    run = Run(world, await database.run(world.note), random.Random(0))
    for client in run.clients:
        await run.open(client)
    for client in run.clients:
        client.edit(run.chance)
        await run.send(client)
    assert any(process.parts._open for process in run.network.processes)
    for client in run.clients:
        client.process.parts.closed(client)
    run.network.deliver(len(run.network.held))
    await run.repair()
    assert [process.parts._open for process in run.network.processes] == [{}] * PROCESSES
    writer = NoteWriter()
    stored = writer.submit(world.room, run.note, Incoming(world.ada, crdt.NOTHING))
    assert len(writer._queues) == 1
    assert await stored == 0
    await writer.close()
    assert writer._queues == {}
