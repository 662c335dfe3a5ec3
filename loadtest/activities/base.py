"""What a user does with one feature beside the talk: the base of the others.

Pure: frames in, frames out.

One instance a user. `shared` is one object for all users of the process, made by `ledger()`: the sent and acknowledged
frames, to compare with the received ones. The user puts faults into the register, beside those of messages.

    act(key, due)         the frame of this turn, or None: nothing can be done now
    answered(frame, due)  it was acknowledged
    on_event, on_push     handle a frame of the server; return its faults
    behind()              what is acknowledged and did not come; empty when all is here
    rest(server)          when its turns are over
    finish(server)        at the end, when all is silent: compare with the server's store
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from loadtest.ledger import Fault, Faults

Frame = dict[str, Any]


class Server(Protocol):
    """How `finish` asks the server."""

    def ask(self, frame: Frame) -> Frame:
        """Send a frame and return its reply.

        Raises NotConnected or gevent.Timeout.
        """

    def get(self, path: str) -> Any:
        """Return the JSON of an API call."""


@dataclass
class Found:
    """The result of a push: faults, and the due times of the values it showed first."""

    faults: Faults = ()
    shown: list[float] = field(default_factory=list)


class Activity:
    name: ClassVar[str]
    # What its turns are called in the counts.
    counted: ClassVar[str]
    # Its events, and its other frames from the server.
    events: ClassVar[frozenset[str]] = frozenset()
    pushes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, room: str, who: str, shared: Any) -> None:
        self.room, self.who, self.shared = room, who, shared
        # The account's id, known from `hello` on.
        self.id = 0
        # What happened, for the counts of the run.
        self.tally: Counter[str] = Counter()

    @classmethod
    def ledger(cls) -> Any:
        """Return the ledger that the users of a process share."""
        return None

    def connected(self) -> None:
        """Handle a new connection that has joined the room."""

    def act(self, key: str, due: float) -> Frame | None:
        raise NotImplementedError

    def answered(self, frame: Frame, reply: Frame) -> Faults:
        """Handle the acknowledgement of a frame."""
        return ()

    def expects(self, frame: Frame, code: str) -> bool:
        """Return whether this refusal of a frame is none of the server's faults."""
        return False

    def on_event(self, event: Frame) -> str:
        """Handle an event of the room, pushed or in a page; return what is wrong with it."""
        return ""

    def on_push(self, frame: Frame) -> Found:
        return Found()

    def rest(self, server: Server) -> Faults:
        """Handle the end of the turns, before everybody falls silent."""
        return ()

    def behind(self) -> Faults:
        """Return a fault for each acknowledged thing that this user was not shown."""
        return ()

    def finish(self, server: Server) -> Faults:
        return ()

    def fault(self, kind: Any, number: int, detail: str) -> Fault:
        """Return a fault of this user; `number` counts within the feature."""
        return Fault(kind, self.room, number, self.who, f"{self.name}: {detail}")
