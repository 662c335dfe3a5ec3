"""One example: processes on one database, the layer, clients, and the log."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from django.conf import settings

import db.batch_loader
import db.database
import db.queries
import realtime.consumer
import realtime.housekeeping
import realtime.hub
import realtime.live_room
import realtime.memberships
import realtime.presence
import realtime.registry
import realtime.send_queue
import server.websocket.socket_protocol
from accounts.models import ApiToken, User
from accounts.services import digest_of
from chat.models import Event
from core.limits import Limits
from rooms.models import Membership, Room
from tests.realtime.property.client import Author, Client, Truth
from tests.realtime.property.loop import LoopClock, LoopState, LoopThreads, database_thread, in_database
from tests.realtime.property.network import Network
from tests.realtime.property.process import Process
from tests.realtime.property.wires import Wire
from tests.support.ledger import Entry, acknowledgement_faults, log_faults, view_faults

PROCESSES, ROOMS = 3, 2
# Promise 4: a live socket gets every committed event within that time.
LEARNT_S = 5.0
ROUNDS = 12
# Small enough for a short example to reach them.
SMALL = Limits(
    held_events=6,
    page_events=3,
    latest_messages=2,
    repair_events=2,
    heads_a_query=1,
    send_queue_bytes=4_000,
    # A loop's clock stands still during a real query, so a pause between two attempts would never end.
    query_attempts=1,
)
# The pauses of LIMIT_CALLS_PER_S depend on the machine's clock, which the loops do not use.
LIFTED = ("LIMIT_CALLS_PER_S", "LIMIT_HANDSHAKES_PER_S", "LIMIT_MESSAGES_PER_S", "LIMIT_SOCKETS_PER_USER")


class Place:
    """The shared users and processes of a run's examples, with their kept connections."""

    def __init__(self, patch: pytest.MonkeyPatch, wire: type[Wire]) -> None:
        self.wire = wire
        self.authors: list[Author] = in_database(_people)
        self.processes = [Process(name, patch, SMALL) for name in "abc"[:PROCESSES]]


@contextmanager
def place(patch: pytest.MonkeyPatch, wire: type[Wire]) -> Iterator[Place]:
    """Uses the test database.

    The product's clocks are replaced during the run, and the limits per person lifted.
    """
    clock = LoopClock()
    for module in (
        realtime.hub,
        realtime.live_room,
        realtime.memberships,
        realtime.registry,
        realtime.housekeeping,
        realtime.send_queue,
        server.websocket.socket_protocol,
    ):
        patch.setattr(module, "time", clock)
    patch.setattr(realtime.consumer, "state", LoopState())
    threads = LoopThreads()
    patch.setattr(db.database, "_threads", lambda: threads)
    for name in LIFTED:
        patch.setattr(settings, name, 0)
    # Queries start at once: otherwise time would have to pass for a handshake.
    patch.setattr(db.batch_loader._Batches, "_pace_s", property(lambda _desk: 0.0, lambda _desk, _pace: None), raising=False)
    # The ORM looks users up on Postgres, too: its threads wait for the test, sockets do not.
    patch.setattr(db.queries, "on_the_loop", lambda: False)
    patch.setattr(settings, "REDIS_SHARDS", [])  # presence is not tested here
    with database_thread():
        made = Place(patch, wire)
        try:
            yield made
        finally:
            for process in made.processes:
                process.close()


class World:
    """One example."""

    def __init__(self, shared: Place) -> None:
        self.processes = shared.processes
        self.network = Network()
        self.truth = Truth()
        tag = secrets.token_hex(4)
        self.rooms = [f"{tag}-{number}" for number in range(ROOMS)]
        in_database(lambda: _make_rooms(self.rooms, shared.authors[0].id))
        ada, bob = shared.authors
        people = {"ada-1": ada, "ada-2": ada, "bob-1": bob, "bob-2": bob}
        self.clients = [Client(name, author, self.truth, shared.wire) for name, author in people.items()]
        # Ended connections that their server did not notice.
        self.old: list[Any] = []
        for process in self.processes:
            process.start(self.network)
        for index, client in enumerate(self.clients):
            client.connect(self.processes[index % PROCESSES])
            self.settle()
            for room in self.rooms:
                client.join(room)
        self.settle()

    def settle(self) -> None:
        for process in self.processes:
            if process.alive:
                process.loop.settle()

    def advance(self, seconds: float) -> None:
        for process in self.processes:
            if process.alive:
                process.loop.advance(seconds)
        self.settle()

    def drain(self, process: Process, late: Client) -> None:
        """Drain a process; `late` connects after the start of the drain."""
        if late.connection is not None:
            late.connection.drop(noticed=True)
        process.drain(lambda: late.connect(process))
        for client in self.clients:
            if (left := client.connection) is not None and left.process is process:
                self.truth.hold(not left.reads, f"{client} was left with a process that drained")
                left.drop(noticed=False)
        self.settle()

    def close(self) -> None:
        for process in self.processes:
            process.crash()
        in_database(lambda: _forget_rooms(self.rooms))

    # --- the end: all faults are over

    def heal(self) -> None:
        """End all faults; drop the messages still in the layer, which is the worst case."""
        for process in self.processes:
            if not process.alive:
                process.start(self.network)
            process.loop.release()
            process.end.inbox.clear()
            process.restore_layer(resend=False)
        for connection in self.old:
            connection.end()
        for client in self.clients:
            if client.connection is not None:
                client.connection.resume_reading()
        self.settle()

    def check(self) -> None:
        """Raise AssertionError with each broken promise."""
        self.heal()
        before = self._logs()
        self._forget_layer()
        self.advance(LEARNT_S)
        for client in self.clients:
            for room in client.live:
                view = client.views[room]
                behind = len(before[room]) - view.highest
                self.truth.hold(behind <= 0, f"{client} is still {behind} events of {room} behind after {LEARNT_S} s")
        self._come_back()
        logs = self._logs()
        for client in self.clients:
            self._compare(client, logs)
        self._acknowledged(logs)
        assert not self.truth.broken, "\n".join(self.truth.broken)

    def _forget_layer(self) -> None:
        for process in self.processes:
            process.end.inbox.clear()

    def _come_back(self) -> None:
        """Connect all clients, join their rooms, and repeat their messages.

        It returns when all are acknowledged.
        """
        for turn in range(ROUNDS):
            for index, client in enumerate(self.clients):
                if client.connection is None:
                    client.connect(self.processes[(index + turn) % PROCESSES])
                elif turn:
                    client.join_again()
                    client.send_again()
            self.settle()
            for process in self.processes:
                process.deliver(len(process.end.inbox))
            self.advance(0.5)
            if all(client.connected and client.wanted <= client.live and not client.unsent for client in self.clients):
                break
        else:
            state = [(client, client.connected, client.wanted - client.live, client.unsent) for client in self.clients]
            self.truth.hold(False, f"the clients do not come to rest: {state}")
        self.advance(LEARNT_S)

    def _logs(self) -> dict[str, list[Row]]:
        return {room: in_database(functools.partial(_log, room)) for room in self.rooms}

    def _compare(self, client: Client, logs: dict[str, list[Row]]) -> None:
        for room in client.live & client.wanted:
            view = client.views[room]
            seen = [(event["seq"], (event["from"]["id"], event["type"], event.get("target"))) for event in view.events]
            wanted = {row.seq: (row.author, row.kind, row.target) for row in logs[room] if row.seq > view.base}
            self.truth.broken += view_faults(str(client), room, seen, wanted)
            states = {row.seq: row for row in logs[room]}
            for seq, message in view.messages.items():
                shown = _state(message["text"], message["edited"], message["deleted"], message["reactions"])
                row = states[seq]
                stored = _state(row.text, row.edited, row.deleted, row.reactions)
                self.truth.hold(shown == stored, f"{client} shows {room} {seq} as {shown}, it is {stored}")

    def _acknowledged(self, logs: dict[str, list[Row]]) -> None:
        stored = {room: [Entry(room, row.author, row.key, row.seq) for row in log] for room, log in logs.items()}
        for room, log in logs.items():
            self.truth.broken += log_faults(room, stored[room])
            self.truth.hold(*_replayed(room, log, self.truth.asked))
        entries = [entry for log in stored.values() for entry in log]
        acknowledged = [Entry(*identity, seq) for identity, seq in self.truth.acknowledged.items()]
        self.truth.broken += acknowledgement_faults(acknowledged, entries)
        unasked = {entry[:3] for entry in entries} - set(self.truth.asked)
        self.truth.hold(not unasked, f"no client wrote {unasked}")


class Row(NamedTuple):
    seq: int
    author: int
    key: str
    kind: str
    target: int | None
    text: str
    edited: bool
    deleted: bool
    reactions: dict[str, list[int]]


def _state(text: str, edited: bool, deleted: bool, reactions: Any) -> tuple[str, bool, bool, dict[str, set[int]]]:
    # The former text of a deleted message stays hidden.
    return text, edited and not deleted, deleted, {emoji: set(people) for emoji, people in reactions.items() if people}


def _replayed(room: str, log: list[Row], asked: dict[Any, Any]) -> tuple[bool, str]:
    """Whether the states follow from the log's events, one by one."""
    frames = {row.seq: asked.get((room, row.author, row.key), {}) for row in log}
    wanted: dict[int, Any] = {}
    for row in log:
        frame = frames[row.seq]
        if row.kind == "message":
            wanted[row.seq] = [frame.get("text"), False, False, {}]
            continue
        state = wanted[row.target or 0]
        if row.kind == "message.edited":
            state[:2] = [frame["text"], True]
        elif row.kind == "message.deleted":
            state[:] = ["", True, True, {}]
        else:
            people = state[3].setdefault(frame["emoji"], set())
            (people.add if frame["on"] else people.discard)(row.author)
    found = {row.seq: _state(row.text, row.edited, row.deleted, row.reactions) for row in log if row.kind == "message"}
    made = {seq: _state(*state) for seq, state in wanted.items()}
    return found == made, f"{room} holds {found}, its events make {made}"


def _people() -> list[Author]:
    found = []
    for name in ("ada", "bob"):
        token = secrets.token_urlsafe(32)
        user = User.objects.create(username=f"{name}-{secrets.token_hex(4)}")
        ApiToken.objects.create(user=user, digest=digest_of(token))
        found.append(Author(user.id, user.username, token))
    return found


def _make_rooms(slugs: list[str], member: int) -> None:
    """Make rooms: one user's are watched from the start, the other joins them."""
    rooms = Room.objects.bulk_create([Room(slug=slug) for slug in slugs])
    Membership.objects.bulk_create([Membership(room=room, user_id=member) for room in rooms])


def _forget_rooms(slugs: list[str]) -> None:
    """Remove the rooms, or each example would slow down the next."""
    Membership.objects.filter(room__slug__in=slugs).delete()
    Event.objects.filter(room__slug__in=slugs).delete()
    Room.objects.filter(slug__in=slugs).delete()


def _log(room: str) -> list[Row]:
    columns = ("seq", "author_id", "key", "kind", "target", "text", "edited", "deleted", "reactions")
    return [Row(*row) for row in Event.objects.filter(room__slug=room).order_by("seq").values_list(*columns)]
