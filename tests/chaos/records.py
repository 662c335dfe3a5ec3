"""Records of one run, the only input of the checker.

All times are UNIX seconds of one machine: generator, servers and database share its clock.
"""

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b

LONG = 200
# Limit of a client's reconnect after a fault: an attempt may hang for 5 s, a pause lasts up to 3 s.
BACK_S = 10.0


def shortened(text: str) -> str:
    """Replace a long text by a digest.

    Thousands of clients' copies would fill the memory.
    """
    return text if len(text) <= LONG else f"{text[:40]}… {blake2b(text.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Row:
    """One event in the database; `at` is the time of its commit."""

    room: str
    seq: int
    author: int
    key: str
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """One event as one client received it, pushed or in a page."""

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
    """One socket from `hello` to its end; `code` is the close code, 1006 without one."""

    hello_at: float
    ended_at: float | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A period of time."""

    begin: float
    end: float

    def meets(self, begin: float, end: float) -> bool:
        return self.begin < end and begin < self.end


@dataclass(slots=True)
class Sight:
    """All records of one client.

    `views`: each room's events in order of arrival.
    """

    name: str
    started_at: float
    views: dict[str, list[Receipt]] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=list)
    # Promises broken on one socket: a double, a gap, an event outside a subscription.
    broken: list[str] = field(default_factory=list)
    # Times when it deliberately did not read.
    blind: list[Span] = field(default_factory=list)
    # Times from the silent death of a connection until the client detected it.
    deaf: list[Span] = field(default_factory=list)
    # Failed attempts to connect, by reason.
    failed: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Window:
    """One fault.

    `span` ends with the recovery; `excuses`: nothing can be delivered meanwhile.
    `ends_sockets`: clients may lose their sockets. `back_s`: seconds after the end until all have a new one.
    """

    fault: str
    span: Span
    excuses: bool
    ends_sockets: bool = True
    back_s: float = BACK_S


@dataclass(slots=True)
class Run:
    """One complete run."""

    log: dict[str, list[Row]]
    acks: list[Ack]
    sights: list[Sight]
    windows: list[Window]
    # MiB of the largest worker process, before the first fault and at the end.
    memory_before: float = 0.0
    memory_after: float = 0.0
    # Keys without acknowledgement, despite enough time.
    unsent: list[str] = field(default_factory=list)
    # Rooms whose clients show a wrong number of people online at the end.
    miscounted: list[str] = field(default_factory=list)
    # Faults without effect, with the reason.
    idle: list[str] = field(default_factory=list)
    retries: int = 0
