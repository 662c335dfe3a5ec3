"""Check a room's log while events arrive.

No event may be lost, doubled, reordered, altered or in the wrong room.

Pure: no clock, no network, no Locust. A `Register` holds one process's knowledge of every room: acknowledged messages, and the
message at each seq. A `View` is one client's sight of one room:

    register = Register()
    view = View(register, room="lobby", who="ada")
    view.start(head=7)                        # the head of a fresh join: live events begin at 8
    faults = view.observe(8, "key-1")         # () when all is well
    faults = register.acknowledge("lobby", 8, "key-1", who="ada")
    faults = view.close()                     # everything up to the register's highest seq must be there

Every fault is also kept in `register.faults`. A gap is no fault while it may still be filled: a late event is `out of order`, and
one still missing when the view is closed is `lost`.

The tests' clients have tests/support/ledger.py, which knows a room's whole log and raises at the first gap. Here no process knows
it, registers are compared at the end, and the image of the load run has no tests in it.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["lost", "duplicate", "out of order", "contradiction", "altered", "astray"]
KINDS: tuple[Kind, ...] = ("lost", "duplicate", "out of order", "contradiction", "altered", "astray")
_EXAMPLES = 50  # faults kept with details; all are counted


@dataclass(frozen=True)
class Fault:
    """One broken promise.

    `who` is the client that noticed, `detail` a sentence for people.
    """

    kind: Kind
    room: str
    seq: int
    who: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.room} seq {self.seq} at {self.who}: {self.detail}"


Faults = tuple[Fault, ...]


@dataclass
class _Room:
    acknowledged: dict[int, str] = field(default_factory=dict)  # seq → key
    contents: dict[int, str] = field(default_factory=dict)  # seq → key, as first received by any client
    seqs: dict[str, int] = field(default_factory=dict)  # key → seq
    highest: int = 0
    gone: set[int] = field(default_factory=set)  # missing on the server and reported


class Register:
    """One process's knowledge of all rooms, to compare every view with.

    Grows with the messages of a run.
    """

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self.faults: list[Fault] = []  # the first 50, for reading
        self._rooms: dict[str, _Room] = {}

    @property
    def acknowledged(self) -> int:
        """Return the number of different acknowledged messages."""
        return sum(len(room.acknowledged) for room in self._rooms.values())

    def highest(self, room: str) -> int:
        """Return the highest seq of a room that any client sent or received; 0 for none."""
        return self._room(room).highest

    def all_highest(self) -> dict[str, int]:
        """Return the highest seq of every room, for the other processes."""
        return {name: room.highest for name, room in self._rooms.items()}

    def expect(self, room: str, highest: int) -> None:
        """Note that another process knows of `highest`: every view must reach it."""
        known = self._room(room)
        known.highest = max(known.highest, highest)

    def dump(self) -> dict[str, list[tuple[int, str]]]:
        """Return each room's (seq, key) pairs as plain objects, for `compare`."""
        return {name: list(room.contents.items()) for name, room in self._rooms.items()}

    def compare(self, dumped: Mapping[str, Iterable[Sequence[Any]]], who: str) -> None:
        """Compare another process's pairs with this register; note faults."""
        for room, contents in dumped.items():
            for seq, key in contents:
                self._agree(room, seq, key, who, "known")

    def acknowledge(self, room: str, seq: int, key: str, who: str) -> Faults:
        """Note that the server acknowledged the message `key` at `seq`."""
        self._room(room).acknowledged[seq] = key
        return self._agree(room, seq, key, who, "acknowledged")

    def see(self, room: str, seq: int, key: str | None, who: str) -> Faults:
        """Note that a client received `seq` with this key (None: without our marker)."""
        known = self._room(room)
        known.highest = max(known.highest, seq)
        return () if key is None else self._agree(room, seq, key, who, "received")

    def key_at(self, room: str, seq: int) -> str | None:
        """Return the key acknowledged at `seq`, if any."""
        return self._room(room).acknowledged.get(seq)

    def lowest(self, room: str) -> int:
        """Return the lowest known seq of a room; 0 for none."""
        return min(self._room(room).contents, default=0)

    def known(self, room: str, first: int, last: int) -> dict[int, str]:
        """Return known messages from seq `first` to `last`, sent or received here.

        Seq → key.
        """
        contents = self._room(room).contents
        return {seq: contents[seq] for seq in range(max(1, first), last + 1) if seq in contents}

    def hold(self, room: str, known: Mapping[int, str], found: Container[int], who: str, where: str) -> Faults:
        """Require every `known` message in `found`, the server's store.

        Each missing one is reported once.
        """
        gone, faults = self._room(room).gone, Faults()
        for seq, key in known.items():
            if seq not in found and seq not in gone:
                gone.add(seq)
                faults += self.note(Fault("lost", room, seq, who, f"message {key} was told, and is not in {where}"))
        return faults

    def note(self, fault: Fault) -> Faults:
        """Keep and count a fault; return it in a tuple."""
        self.counts[fault.kind] += 1
        if len(self.faults) < _EXAMPLES:
            self.faults.append(fault)
        return (fault,)

    def _agree(self, room: str, seq: int, key: str, who: str, how: str) -> Faults:
        """Require one message per seq and one seq per message, across all clients."""
        known = self._room(room)
        known.highest = max(known.highest, seq)
        other = known.contents.setdefault(seq, key)
        if other != key:
            return self.note(Fault("contradiction", room, seq, who, f"{how} as {key}, elsewhere it is {other}"))
        first = known.seqs.setdefault(key, seq)
        if first != seq:
            known.seqs[key] = seq  # report each further copy once, not at every client
            return self.note(Fault("duplicate", room, seq, who, f"message {key} is stored at {first} too"))
        return ()

    def _room(self, room: str) -> _Room:
        return self._rooms.setdefault(room, _Room())


class View:
    """One client's sight of one room.

    Call `start` first; observe nothing after `close`.
    """

    def __init__(self, register: Register, room: str, who: str) -> None:
        self.room = room
        self.who = who
        self.started = False
        self.last = 0
        self.seen = 0
        self._register = register
        self._missing: set[int] = set()
        self._on_request: set[int] = set()  # gaps filled by a later join: the log has these events

    @property
    def contiguous(self) -> int:
        """Return the highest seq without a gap below it: a join after it fills every gap."""
        return min(self._missing) - 1 if self._missing else self.last

    def start(self, head: int) -> None:
        """Begin above `head`, from a fresh join: earlier events are not this view's."""
        self.started = True
        self.last = head

    def holds(self, seq: int) -> bool:
        """Return whether every seq up to `seq` was received."""
        return self.contiguous >= seq

    def observe(self, seq: int, key: str | None = None) -> Faults:
        """Handle an event that was pushed, or on a page after a reconnect.

        Return its faults.
        """
        faults = self._register.see(self.room, seq, key, self.who)
        self.seen += 1
        if seq > self.last:
            self._missing.update(range(self.last + 1, seq))
            self.last = seq
            return faults
        if seq in self._missing:
            self._missing.discard(seq)
            return faults + self._fault("out of order", seq, f"came after {self.last}")
        return faults + self._fault("duplicate", seq, f"came again after {self.last}")

    def replay(self, seq: int, key: str | None = None) -> Faults:
        """Handle an event on a page that was requested over a live connection.

        It may repeat a pushed event. A gap it fills stays a fault: the event should have been pushed.
        """
        if seq > self.last:
            return self.observe(seq, key)
        faults = self._register.see(self.room, seq, key, self.who)
        if seq in self._missing:
            self._on_request.add(seq)
        return faults

    def page_end(self, head: int) -> Faults:
        """Handle the `head` of a last page.

        Live events follow, so every seq up to it must be here.
        """
        if head > self.last:
            self._missing.update(range(self.last + 1, head + 1))
            self.last = head
            return ()
        if head < self.last:
            return self._fault("contradiction", head, f"the log ends here, but {self.last} was received")
        return ()

    def altered(self, seq: int, detail: str) -> Faults:
        """Note that the event at `seq` differs from the message sent."""
        return self._fault("altered", seq, detail)

    def astray(self, room: str, seq: int) -> Faults:
        """Note an event of a room that this client has not joined."""
        return self._register.note(Fault("astray", room, seq, self.who, f"was pushed to a user who joined {self.room} only"))

    def expect(self, highest: int) -> None:
        """Require everything up to `highest`: a missing event was not pushed."""
        if highest > self.last:
            self._missing.update(range(self.last + 1, highest + 1))
            self.last = highest

    def leave(self) -> Faults:
        """Close before the end of the run, without requiring later events."""
        return self._missed()

    def close(self) -> Faults:
        """Compare with the register; missing events are lost."""
        self.expect(self._register.highest(self.room))
        return self._missed()

    def _missed(self) -> Faults:
        faults: Faults = ()
        for seq in sorted(self._missing):
            faults += self._fault("lost", seq, self._obituary(seq))
        self._missing.clear()
        return faults

    def _obituary(self, seq: int) -> str:
        key = self._register.key_at(self.room, seq)
        what = f"message {key} was acknowledged" if key else "no acknowledgement for it came here"
        where = "it is in the log but was never pushed" if seq in self._on_request else "it never came"
        return f"{what}; {where}"

    def _fault(self, kind: Kind, seq: int, detail: str) -> Faults:
        return self._register.note(Fault(kind, self.room, seq, self.who, detail))


def summary(counts: Mapping[Kind, int]) -> str:
    """Return the counts of all kinds in one line: `lost 0, duplicate 0, …`."""
    return ", ".join(f"{kind} {counts.get(kind, 0)}" for kind in KINDS)
