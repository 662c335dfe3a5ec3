"""Checks the promises about a room's log while events arrive: nothing lost, nothing twice, nothing out of order, altered, astray.

Pure: no clock, no network, no Locust. A `Register` holds what one process knows of every room: what was acknowledged,
and which message is behind a seq. A `View` is one client's sight of one room:

    register = Register()
    view = View(register, room="lobby", who="ada")
    view.start(head=7)                        # what a fresh join answered: live events begin at 8
    faults = view.observe(8, "key-1")         # () when all is well
    faults = register.acknowledge("lobby", 8, "key-1", who="ada")
    faults = view.close()                     # everything up to the register's highest seq must be there

Every fault is kept in `register.faults` too. A hole is no fault while it may still be filled: an event that comes late
is `out of order`, one that never comes is `lost` when the view is closed.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["lost", "duplicate", "out of order", "contradiction", "altered", "astray"]
KINDS: tuple[Kind, ...] = ("lost", "duplicate", "out of order", "contradiction", "altered", "astray")
_EXAMPLES = 50  # faults kept with their details; all are counted


@dataclass(frozen=True)
class Fault:
    """One broken promise. `who` is the client that saw it, `detail` a sentence for people."""

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
    contents: dict[int, str] = field(default_factory=dict)  # seq → key, as first seen by anybody
    seqs: dict[str, int] = field(default_factory=dict)  # key → seq
    highest: int = 0
    gone: set[int] = field(default_factory=set)  # not where the server should have kept it, and told


class Register:
    """What this process knows of all rooms, for comparing every view with it. Grows with the messages of a run."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self.faults: list[Fault] = []  # the first 50, for reading
        self._rooms: dict[str, _Room] = {}

    @property
    def acknowledged(self) -> int:
        """Number of different messages the server has acknowledged."""
        return sum(len(room.acknowledged) for room in self._rooms.values())

    def highest(self, room: str) -> int:
        """Highest seq of a room that was acknowledged to, or seen by, anybody; 0 for none."""
        return self._room(room).highest

    def all_highest(self) -> dict[str, int]:
        """Highest seq of every room: for telling other processes."""
        return {name: room.highest for name, room in self._rooms.items()}

    def expect(self, room: str, highest: int) -> None:
        """Note that another process knows of seq `highest`: every view must reach it."""
        known = self._room(room)
        known.highest = max(known.highest, highest)

    def dump(self) -> dict[str, list[tuple[int, str]]]:
        """Which message is at which seq of each room, as plain objects: `compare` takes them."""
        return {name: list(room.contents.items()) for name, room in self._rooms.items()}

    def compare(self, dumped: Mapping[str, Iterable[Sequence[Any]]], who: str) -> None:
        """Hold what another process saw against what is known here; faults are noted."""
        for room, contents in dumped.items():
            for seq, key in contents:
                self._agree(room, seq, key, who, "known")

    def acknowledge(self, room: str, seq: int, key: str, who: str) -> Faults:
        """Note that the server answered `seq` for the message `key`."""
        self._room(room).acknowledged[seq] = key
        return self._agree(room, seq, key, who, "acknowledged")

    def see(self, room: str, seq: int, key: str | None, who: str) -> Faults:
        """Note that somebody received `seq`, with the key its message carries (None: it carries none of ours)."""
        known = self._room(room)
        known.highest = max(known.highest, seq)
        return () if key is None else self._agree(room, seq, key, who, "received")

    def key_at(self, room: str, seq: int) -> str | None:
        """Return the key acknowledged at `seq`, if one was."""
        return self._room(room).acknowledged.get(seq)

    def lowest(self, room: str) -> int:
        """Lowest seq of a room whose message is known; 0 for none."""
        return min(self._room(room).contents, default=0)

    def known(self, room: str, first: int, last: int) -> dict[int, str]:
        """Messages known from seq `first` to `last`, acknowledged to or seen by anybody here: seq → key."""
        contents = self._room(room).contents
        return {seq: contents[seq] for seq in range(max(1, first), last + 1) if seq in contents}

    def hold(self, room: str, known: Mapping[int, str], found: Container[int], who: str, where: str) -> Faults:
        """Hold what the server has kept against what it has told: whatever is `known` must be `found`. Each is told once."""
        gone, faults = self._room(room).gone, Faults()
        for seq, key in known.items():
            if seq not in found and seq not in gone:
                gone.add(seq)
                faults += self.note(Fault("lost", room, seq, who, f"message {key} was told, and is not in {where}"))
        return faults

    def note(self, fault: Fault) -> Faults:
        """Keep and count a fault; return it as a tuple of one."""
        self.counts[fault.kind] += 1
        if len(self.faults) < _EXAMPLES:
            self.faults.append(fault)
        return (fault,)

    def _agree(self, room: str, seq: int, key: str, who: str, how: str) -> Faults:
        """Hold one seq to one message and one message to one seq, whoever tells."""
        known = self._room(room)
        known.highest = max(known.highest, seq)
        other = known.contents.setdefault(seq, key)
        if other != key:
            return self.note(Fault("contradiction", room, seq, who, f"{how} as {key}, elsewhere it is {other}"))
        first = known.seqs.setdefault(key, seq)
        if first != seq:
            known.seqs[key] = seq  # tell each further copy once, not at every client that sees it
            return self.note(Fault("duplicate", room, seq, who, f"message {key} is stored at {first} too"))
        return ()

    def _room(self, room: str) -> _Room:
        return self._rooms.setdefault(room, _Room())


class View:
    """One client's sight of one room. Not started until `start`; nothing may be observed after `close`."""

    def __init__(self, register: Register, room: str, who: str) -> None:
        self.room = room
        self.who = who
        self.started = False
        self.last = 0
        self.seen = 0
        self._register = register
        self._missing: set[int] = set()
        self._on_request: set[int] = set()  # missing ones that a later join did bring: the log has them

    @property
    def contiguous(self) -> int:
        """Highest seq up to which nothing is missing: what to join with so that the log can fill every hole."""
        return min(self._missing) - 1 if self._missing else self.last

    def start(self, head: int) -> None:
        """Begin behind `head`, the answer of a fresh join: older events are none of this view's business."""
        self.started = True
        self.last = head

    def holds(self, seq: int) -> bool:
        """Say whether everything up to `seq` was received."""
        return self.contiguous >= seq

    def observe(self, seq: int, key: str | None = None) -> Faults:
        """Take an event that was pushed, or came in a page after a new connection; return what is wrong with it."""
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
        """Take an event of a page that was asked for on a connection already live.

        It may repeat what was pushed before. A hole it fills stays a hole: the event should have been pushed.
        """
        if seq > self.last:
            return self.observe(seq, key)
        faults = self._register.see(self.room, seq, key, self.who)
        if seq in self._missing:
            self._on_request.add(seq)
        return faults

    def page_end(self, head: int) -> Faults:
        """Take the `head` of a last page: live events follow it, so all up to it must be here now."""
        if head > self.last:
            self._missing.update(range(self.last + 1, head + 1))
            self.last = head
            return ()
        if head < self.last:
            return self._fault("contradiction", head, f"the log ends here, but {self.last} was received")
        return ()

    def altered(self, seq: int, detail: str) -> Faults:
        """Note that the event at `seq` is not what was sent."""
        return self._fault("altered", seq, detail)

    def astray(self, room: str, seq: int) -> Faults:
        """Note that an event of a room came that this client has not joined."""
        return self._register.note(Fault("astray", room, seq, self.who, f"was pushed to somebody who joined {self.room} only"))

    def expect(self, highest: int) -> None:
        """Count everything up to `highest` as due: what is not here by now was not pushed."""
        if highest > self.last:
            self._missing.update(range(self.last + 1, highest + 1))
            self.last = highest

    def leave(self) -> Faults:
        """Close before the run ends: what came after the last event is not this view's business any more."""
        return self._missed()

    def close(self) -> Faults:
        """Compare with the register; whatever is missing is lost."""
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
        what = f"message {key} was acknowledged" if key else "nobody here got an acknowledgement for it"
        where = "it is in the log but was never pushed" if seq in self._on_request else "it never came"
        return f"{what}; {where}"

    def _fault(self, kind: Kind, seq: int, detail: str) -> Faults:
        return self._register.note(Fault(kind, self.room, seq, self.who, detail))


def summary(counts: Mapping[Kind, int]) -> str:
    """Say the counts in one line, every kind named: `lost 0, duplicate 0, …`."""
    return ", ".join(f"{kind} {counts.get(kind, 0)}" for kind in KINDS)
