"""What one run saw, apart from how it was made to happen. The checker needs nothing else.

All times are UNIX seconds of one machine: generator, servers and database share its clock.
"""

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b

LONG = 200
# A client has its `hello` by then, counted from the end of the fault: an attempt may hang for 5 s, a pause lasts up
# to 3 s.
BACK_S = 10.0


def shortened(text: str) -> str:
    """A text, or what stands for a long one: thousands of clients' copies would fill the memory."""
    return text if len(text) <= LONG else f"{text[:40]}… {blake2b(text.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Row:
    """One event as the database has it; `at` is when its transaction committed."""

    room: str
    seq: int
    author: int
    key: str
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """One event as one client got it, pushed or in a page."""

    seq: int
    author: int
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Ack:
    """One `message.sent`."""

    room: str
    author: int
    key: str
    seq: int
    at: float


@dataclass(slots=True)
class Life:
    """One socket: from its `hello` to its end; `code` is the close code, 1006 when there was none."""

    hello_at: float
    ended_at: float | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time."""

    begin: float
    end: float

    def meets(self, begin: float, end: float) -> bool:
        return self.begin < end and begin < self.end


@dataclass(slots=True)
class Sight:
    """Everything one client remembers. `views` holds each room's events in the order of their arrival."""

    name: str
    started_at: float
    views: dict[str, list[Receipt]] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=list)
    # Promises broken on one socket, found while listening: a double, a hole, an event where none may be.
    broken: list[str] = field(default_factory=list)
    # When it did not read, on purpose.
    blind: list[Span] = field(default_factory=list)
    # From when its connection was dead without a word until it gave that up by itself.
    deaf: list[Span] = field(default_factory=list)
    # Attempts to connect that brought no `hello`, by reason.
    failed: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Window:
    """One fault. `span` ends when the part is healthy again; `excuses`: nothing can be delivered while it lasts.

    `ends_sockets`: it may cost people their sockets. `back_s`: they have new ones so many seconds after its end.
    """

    fault: str
    span: Span
    excuses: bool
    ends_sockets: bool = True
    back_s: float = BACK_S


@dataclass(slots=True)
class Run:
    """One run, ready to be judged."""

    log: dict[str, list[Row]]
    acks: list[Ack]
    sights: list[Sight]
    windows: list[Window]
    # MiB of the largest worker process, before the first fault and at the end.
    memory_before: float = 0.0
    memory_after: float = 0.0
    # Keys that were never acknowledged, though there was time.
    unsent: list[str] = field(default_factory=list)
    # Rooms whose people were told a wrong number of people online, at the end.
    miscounted: list[str] = field(default_factory=list)
    # Faults that had no effect, and why.
    idle: list[str] = field(default_factory=list)
    retries: int = 0
