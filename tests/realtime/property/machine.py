"""The rules: actions of users and faults of all parts, in any order."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.realtime.property.client import Client
from tests.realtime.property.process import Process
from tests.realtime.property.world import PROCESSES, ROOMS, Place, World

processes = st.integers(0, PROCESSES - 1)
clients = st.integers(0, 3)
rooms = st.integers(0, ROOMS - 1)
some = st.integers(0, 7)
#: Mostly what anybody may, and rarely the end of a message.
CHANGES: list[dict[str, Any]] = [
    {"type": "message.react", "emoji": "👍", "on": True}, {"type": "message.edit"},
    {"type": "message.react", "emoji": "👍", "on": False}, {"type": "message.edit"},
    {"type": "message.react", "emoji": "❤", "on": True}, {"type": "message.edit"},
    {"type": "message.delete"}, {"type": "message.delete"},
]  # fmt: skip
changes = st.sampled_from(CHANGES)


class Delivery(RuleBasedStateMachine):
    """Log, hubs and clients.

    `machine_for` sets `place`.
    """

    place: ClassVar[Place]
    # Counts of events in all examples.
    seen: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.place)
        self.keys = self.sent = 0

    # --- users

    @rule(client=clients, process=processes)
    def connect(self, client: int, process: int) -> None:
        found = self.world.clients[client]
        if found.connection is None and self.world.processes[process].alive:
            found.connect(self.world.processes[process])
            self.world.settle()

    @rule(client=clients, noticed=st.booleans())
    def lose_connection(self, client: int, noticed: bool) -> None:
        connection = self.world.clients[client].connection
        if connection is not None:
            connection.drop(noticed=noticed)
            if not noticed:
                self.world.old.append(connection)
            self.world.settle()

    @rule(client=clients, room=rooms, fresh=st.booleans())
    def join(self, client: int, room: int, fresh: bool) -> None:
        self.world.clients[client].join(self.world.rooms[room], fresh=fresh)
        self.world.settle()

    @rule(client=clients, sender=clients, room=rooms, number=st.sampled_from([1, 3, 9]), answers=st.integers(0, 2))
    def join_amid_messages(self, client: int, sender: int, room: int, number: int, answers: int) -> None:
        """Publish more events than a join buffers while the database reads its page."""
        found, other = self.world.clients[client], self.world.clients[sender]
        if found.connection is None or other.connection is None or not found.connection.process.alive:
            return
        process = found.connection.process
        if process is other.connection.process:
            return  # its commits would wait, too
        found.join(self.world.rooms[room])
        process.loop.hold = "answers"
        process.loop.settle()
        for _ in range(answers):  # the room is looked up and perhaps opened, then the page is read
            process.loop.tell_one(0)
        for _ in range(number):
            self._send(other, room, 10)
        self.world.settle()
        process.deliver(len(process.end.inbox))
        process.loop.release()
        self.world.settle()

    @rule(client=clients, room=rooms)
    def leave(self, client: int, room: int) -> None:
        self.world.clients[client].leave(self.world.rooms[room])
        self.world.settle()

    @rule(client=clients, room=rooms, number=st.integers(1, 4), size=st.sampled_from([10, 10, 900]))
    def send(self, client: int, room: int, number: int, size: int) -> None:
        found = self.world.clients[client]
        for _ in range(number):
            self._send(found, room, size)
        self.world.settle()

    @rule(first=clients, second=clients, room=rooms, number=st.integers(1, 3))
    def send_at_once(self, first: int, second: int, room: int, number: int) -> None:
        """Send two messages at the same moment, usually on two processes."""
        for _ in range(number):
            self._send(self.world.clients[first], room, 10)
            self._send(self.world.clients[second], room, 10)
        self.world.settle()

    @rule(client=clients, room=rooms, which=some, some_changes=st.lists(changes, min_size=1, max_size=3))
    def amend(self, client: int, room: int, which: int, some_changes: list[Any]) -> None:
        """Edits, deletions and reactions, some of which are refused."""
        for number, change in enumerate(some_changes):
            self._amend(self.world.clients[client], room, which + number, change)
        self.world.settle()

    @rule(first=clients, second=clients, room=rooms, which=some, two=st.tuples(changes, changes))
    def amend_at_once(self, first: int, second: int, room: int, which: int, two: tuple[Any, Any]) -> None:
        """Two change the same message at the same moment, with a message in between."""
        self._amend(self.world.clients[first], room, which, two[0])
        self._send(self.world.clients[first], room, 10)
        self._amend(self.world.clients[second], room, which, two[1])
        self.world.settle()

    @rule(client=clients, other=clients, which=some, at_once=st.booleans())
    def send_a_key_again(self, client: int, other: int, which: int, at_once: bool) -> None:
        """Repeat a key, also from another socket of the user or from two at once."""
        senders = [self.world.clients[client]] + ([self.world.clients[other]] if at_once else [])
        for found in senders:
            known = [identity for identity in self.world.truth.asked if identity[1] == found.author.id]
            if known:
                room, _, key = known[-1 - which % len(known)]
                found.send(room, key, "another text for a key that is taken")
        self.world.settle()

    @rule(client=clients)
    def try_again(self, client: int) -> None:
        """Repeat messages after an `unavailable`, like a client."""
        self.world.clients[client].join_again()
        self.world.clients[client].send_again()
        self.world.settle()

    @rule(client=clients)
    def stop_reading(self, client: int) -> None:
        connection = self.world.clients[client].connection
        if connection is not None:
            connection.stop_reading()

    @rule(client=clients, sender=clients, room=rooms)
    def flood(self, client: int, sender: int, room: int) -> None:
        """Send more than the limit of unsent bytes to one stalled reader."""
        found = self.world.clients[client]
        order = self.world.clients[sender:] + self.world.clients[:sender]
        other = next((each for each in order if each.connected and each is not found), None)
        if other is None or found.connection is None:
            return
        process = found.connection.process
        found.connection.stop_reading()
        for _ in range(6):
            self._send(other, room, 900)
            self.world.settle()
            process.deliver(1)
        self.world.settle()

    @rule(client=clients)
    def resume_reading(self, client: int) -> None:
        connection = self.world.clients[client].connection
        if connection is not None:
            connection.resume_reading()
            self.world.settle()

    # --- the layer

    @rule(process=processes, number=st.integers(1, 4))
    def deliver(self, process: int, number: int) -> None:
        self.world.processes[process].deliver(number)
        self.world.settle()

    @rule(process=processes, which=some)
    def lose(self, process: int, which: int) -> None:
        if inbox := self._inbox(process):
            inbox.pop(which % len(inbox))

    @rule(process=processes, which=some)
    def double(self, process: int, which: int) -> None:
        if inbox := self._inbox(process):
            inbox.append(inbox[which % len(inbox)])

    @rule(process=processes, which=some)
    def overtake(self, process: int, which: int) -> None:
        if inbox := self._inbox(process):
            inbox.insert(0, inbox.pop(which % len(inbox)))

    @rule(process=processes)
    def cut_layer(self, process: int) -> None:
        self.world.processes[process].end.cut()

    @rule(process=processes, resend=st.booleans())
    def restore_layer(self, process: int, resend: bool) -> None:
        self.world.processes[process].restore_layer(resend=resend)
        self.world.settle()

    # --- the database

    @rule(process=processes, what=st.sampled_from(["queries", "answers"]))
    def hold_database(self, process: int, what: Any) -> None:
        if self.world.processes[process].alive:
            self.world.processes[process].loop.hold = what
            self.world.settle()

    @rule(process=processes, which=some)
    def answer_one(self, process: int, which: int) -> None:
        if self.world.processes[process].alive:
            self.world.processes[process].loop.tell_one(which)
            self.world.settle()

    @rule(process=processes)
    def release_database(self, process: int) -> None:
        if self.world.processes[process].alive:
            self.world.processes[process].loop.release()
            self.world.settle()

    @rule(client=clients, room=rooms, what=st.sampled_from(["queries", "answers"]))
    def hang_database(self, client: int, room: int, what: Any) -> None:
        """Withhold queries for longer than a sender waits; the outcome is then unknown."""
        found = self.world.clients[client]
        if found.connection is not None and found.connection.process.alive:
            loop = found.connection.process.loop
            loop.hold = what
            self._send(found, room, 10)
            loop.advance(5.5)
            loop.release()
            self.world.settle()

    # --- process ends

    @precondition(lambda self: sum(process.alive for process in self.world.processes) > 1)
    @rule(process=processes)
    def crash(self, process: int) -> None:
        """End a process with its sockets, perhaps between a commit and its publishing."""
        found = self.world.processes[process]
        self._drop_clients(found)
        found.crash()
        self.world.settle()

    @precondition(lambda self: sum(process.alive for process in self.world.processes) > 1)
    @rule(client=clients, room=rooms, number=st.integers(1, 3))
    def crash_after_commit(self, client: int, room: int, number: int) -> None:
        """Commit a client's message in a process that dies before it publishes."""
        found = self.world.clients[client]
        if found.connection is None or not found.connection.process.alive:
            return
        process = found.connection.process
        process.loop.hold = "answers"
        for _ in range(number):
            self._send(found, room, 10)
        process.loop.settle()
        self._drop_clients(process)
        process.crash()
        self.world.settle()

    @precondition(lambda self: sum(process.alive for process in self.world.processes) > 1)
    @rule(process=processes, late=clients)
    def drain(self, process: int, late: int) -> None:
        """End a process by a drain, with a late client that must go elsewhere."""
        if self.world.processes[process].alive:
            self.world.drain(self.world.processes[process], self.world.clients[late])

    @rule(process=processes)
    def start(self, process: int) -> None:
        if not self.world.processes[process].alive:
            self.world.processes[process].start(self.world.network)

    # --- time: gaps are repaired after a moment, heads are polled later

    @rule(process=processes, seconds=st.sampled_from([0.1, 0.1, 1.0, 3.1, 5.5]))
    def time_passes(self, process: int, seconds: float) -> None:
        if self.world.processes[process].alive:
            self.world.processes[process].loop.advance(seconds)
            self.world.settle()

    @precondition(lambda self: any(process.unused_rooms() for process in self.world.processes))
    @rule()
    def rooms_close(self) -> None:
        """Let more time pass than an empty room stays open."""
        for process in self.world.processes:
            if process.unused_rooms():
                process.loop.advance(17.0)
        self.world.settle()

    # --- invariants

    @invariant()
    def nothing_is_broken(self) -> None:
        """Each client checks order, doubles, gaps and acknowledgements of its frames."""
        assert not self.world.truth.broken, "\n".join(self.world.truth.broken)

    def teardown(self) -> None:
        """End all faults and check all promises."""
        try:
            if not self.world.truth.broken:
                self.world.check()
        finally:
            self.world.close()
            self.seen.update(self.world.truth.seen)

    def _send(self, client: Client, room: int, size: int) -> None:
        slug = self.world.rooms[room]
        if slug in client.views:  # it is a member
            self.keys += 1
            client.send(slug, f"k{self.keys}", f"{self.keys}".ljust(size, "."))
            self.sent += 1
            if self.sent % 3 == 0:  # amending events meet the same faults as messages
                self._amend(client, room, self.sent % 4, CHANGES[self.sent // 3 % len(CHANGES)])

    def _amend(self, client: Client, room: int, which: int, change: dict[str, Any]) -> None:
        slug = self.world.rooms[room]
        if slug in client.views and client.views[slug].highest:
            self.keys += 1
            target = 1 + (client.views[slug].highest - 1 - which) % client.views[slug].highest
            text = {"text": f"edited {self.keys}"} if change["type"] == "message.edit" else {}
            client.write(slug, f"k{self.keys}", {**change, **text, "target": target})

    def _inbox(self, process: int) -> list[bytes]:
        return self.world.processes[process].end.inbox

    def _drop_clients(self, process: Process) -> None:
        for client in self.world.clients:
            if client.connection is not None and client.connection.process is process:
                client.connection.drop(noticed=False)


def machine_for(place: Place) -> type[Delivery]:
    """Return the machine for a place's processes."""
    return type("DeliveryHere", (Delivery,), {"place": place, "seen": Counter()})
