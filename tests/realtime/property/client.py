"""A client as the protocol describes one, with its expectations.

`Truth` records every broken promise.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from tests.realtime.property.process import Process
from tests.realtime.property.wires import Wire
from tests.support.ledger import RoomLedger

Frame = dict[str, Any]
# Room, author and key of a message.
Key = tuple[str, int, str]


class Author(NamedTuple):
    id: int
    name: str
    token: str


@dataclass
class Truth:
    """The common knowledge of all clients."""

    # The first frame sent with each key.
    asked: dict[Key, Frame] = field(default_factory=dict)
    acknowledged: dict[Key, int] = field(default_factory=dict)
    # Keys acknowledged without `duplicate`.
    first: set[Key] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    # Counts of events: a run without any proves nothing.
    seen: Counter[str] = field(default_factory=Counter)

    def hold(self, promise: object, what: str) -> None:
        """Record a broken promise without raising.

        The server's tasks would swallow the error.
        """
        if not promise:
            self.broken.append(what)

    def note(self, client: Client, faults: list[str]) -> None:
        """Record the faults that a client's ledger found."""
        self.broken += [f"{client}: {fault}" for fault in faults]


class View:
    """A client's view of a room.

    It has the events above `base`, without gaps, and the messages with their present state.
    """

    def __init__(self, base: int) -> None:
        self.base = base
        self.events: list[Frame] = []
        self.messages: dict[int, Frame] = {}

    @property
    def highest(self) -> int:
        return self.base + len(self.events)

    def keep(self, event: Frame) -> None:
        self.events.append(event)
        self.apply(event)

    def apply(self, event: Frame) -> None:
        """Change the messages as the protocol says; skip unloaded ones."""
        if event["type"] == "message":
            self.messages[event["seq"]] = {**event, "reactions": {name: set(who) for name, who in event["reactions"].items()}}
            return
        message = self.messages.get(event["target"])
        if message is None:
            return
        if event["type"] == "message.deleted":
            message.update(text="", deleted=True, reactions={})
        elif event["type"] == "message.edited":
            if not message["deleted"]:
                message.update(text=event["text"], edited=True)
        else:
            people = message["reactions"].setdefault(event["emoji"], set())
            (people.add if event["on"] else people.discard)(event["from"]["id"])


class Client:
    """Keep received events, ask for missing ones, repeat unacknowledged messages."""

    def __init__(self, name: str, author: Author, truth: Truth, wire: type[Wire]) -> None:
        self.name, self.author, self.truth, self._wire = name, author, truth, wire
        self.views: dict[str, View] = {}
        self.wanted: set[str] = set()
        self.ledgers: defaultdict[str, RoomLedger] = defaultdict(RoomLedger)
        self.unsent: dict[Key, Frame] = {}
        self.connection: Wire | None = None
        self._waiting: dict[int, tuple[str, str, Any]] = {}
        self._ids = count(1)

    def __repr__(self) -> str:
        return self.name

    # --- actions of the user

    def connect(self, process: Process) -> None:
        self._forget_socket()
        self.connection = self._wire(self, process)

    def join(self, room: str, *, fresh: bool = False) -> None:
        """Join after the highest seq, or without `after`."""
        self.wanted.add(room)
        after = None if fresh or room not in self.views else self.views[room].highest
        fields = {"room": room} if after is None else {"room": room, "after": after}
        self._ask("room.join", fields, room, after)

    def leave(self, room: str) -> None:
        self.wanted.discard(room)
        self._ask("room.leave", {"room": room}, room, None)

    def send(self, room: str, key: str, text: str) -> None:
        self.write(room, key, {"type": "message.send", "text": text})

    def write(self, room: str, key: str, frame: Frame) -> None:
        """Send a frame that is stored; the first frame of a key counts."""
        identity = (room, self.author.id, key)
        frame = self.truth.asked.setdefault(identity, frame)
        self.unsent[identity] = frame
        self._ask(frame["type"], {**frame, "room": room, "key": key}, room, identity)

    def send_again(self) -> None:
        """Repeat all unacknowledged frames."""
        for (room, _, key), frame in list(self.unsent.items()):
            self.write(room, key, frame)

    def join_again(self) -> None:
        """Join the wanted rooms without a subscription."""
        under_way = {room for kind, room, _ in self._waiting.values() if kind == "room.join"}
        for room in sorted(self.wanted - self.live - under_way):
            self.join(room)

    @property
    def live(self) -> set[str]:
        """Return the rooms whose events this socket receives."""
        return {room for room, ledger in self.ledgers.items() if ledger.live}

    @property
    def connected(self) -> bool:
        return self.connection is not None and self.connection.open and self.connection.welcome

    def _ask(self, kind: str, fields: Frame, room: str, what: Any) -> None:
        # A broken promise ends the run; endless requests for pages would prevent that.
        if self.connected and not self.truth.broken:
            assert self.connection is not None
            number = next(self._ids)
            self._waiting[number] = (kind, room, what)
            self.connection.say({**fields, "type": kind, "id": number})

    # --- received frames

    def disconnected(self, connection: Wire) -> None:
        if connection is self.connection:
            self.connection = None
            self._forget_socket()

    def _forget_socket(self) -> None:
        self._waiting.clear()
        for ledger in self.ledgers.values():
            ledger.silent()

    def heard(self, connection: Wire, frame: Frame) -> None:
        if connection is not self.connection:
            return
        kind = frame["type"]
        self.truth.seen[kind] += 1
        if kind == "hello":
            connection.welcome = True
            self.join_again()
            self.send_again()
        elif "seq" in frame and "from" in frame:  # an event of the log
            self._event(frame)
        elif kind == "gap":
            self.ledgers[frame["room"]].silent()
            if frame["room"] in self.wanted:
                self.join_again()
        elif "re" in frame:
            self._reply(frame)

    def _event(self, frame: Frame) -> None:
        room = frame["room"]
        self.truth.note(self, self.ledgers[room].pushed(frame))
        if view := self.views.get(room):
            self._keep(view, frame)

    def _keep(self, view: View, frame: Frame) -> None:
        own = frame["from"]["id"] == self.author.id
        self.truth.hold(own == ("key" in frame), f"{self}: key in {frame}")
        if frame["seq"] == view.highest + 1:
            view.keep(frame)

    def _reply(self, frame: Frame) -> None:
        if frame["re"] not in self._waiting:
            self.truth.hold(False, f"{self} got a reply to nothing: {frame}")
            return
        kind, room, what = self._waiting.pop(frame["re"])
        if frame["type"] == "error":
            self.truth.seen[frame["code"]] += 1
            known = {"unavailable"} | ({"not_a_member"} if kind == "room.leave" else set())
            if kind in {"message.edit", "message.delete", "message.react"} and frame["code"] != "unavailable":
                known |= {"forbidden", "no_such_target"}
                self.unsent.pop(what, None)
            self.truth.hold(frame["code"] in known, f"{self}: {kind} was answered {frame}")
        elif kind == "room.join":
            self._joined(room, what, frame)
        elif frame["type"] == "message.sent":
            self._acknowledged(what, frame)
        else:
            self.ledgers[room].silent()

    def _joined(self, room: str, after: int | None, page: Frame) -> None:
        self.truth.note(self, self.ledgers[room].joined(page, after))
        if after is None:
            self._fresh(room, page)
            return
        view = self.views[room]
        for event in page["events"]:
            self._keep(view, event)
        if page["more"]:
            self.truth.seen["page with more"] += 1
            self._ask("room.join", {"room": room, "after": view.highest}, room, view.highest)
            return
        self.truth.hold(view.highest == page["head"], f"{self}: page of {room} ends at {view.highest}, head {page['head']}")

    def _fresh(self, room: str, page: Frame) -> None:
        """Start a view with the latest messages.

        The seqs of other events are missing there.
        """
        view = self.views[room] = View(page["head"])
        self.truth.hold(page["events"] or page["head"] == 0, f"{self}: an empty page of {room} at {page['head']}")
        for event in page["events"]:
            self.truth.hold(event["type"] == "message", f"{self}: a fresh page of {room} with {event}")
            view.apply(event)

    def _acknowledged(self, identity: Key, reply: Frame) -> None:
        # Replies may overtake each other, so the first commit's need not come first.
        known = self.truth.acknowledged.setdefault(identity, reply["seq"])
        self.truth.hold(reply["seq"] == known, f"{identity} was acknowledged as {known} and as {reply['seq']}")
        if not reply["duplicate"]:
            self.truth.hold(identity not in self.truth.first, f"{identity} was stored twice, it says")
            self.truth.first.add(identity)
        self.truth.seen["duplicate"] += reply["duplicate"]
        self.unsent.pop(identity, None)
