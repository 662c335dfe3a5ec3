"""State that all users of one process share in a run.

It has phases, the ledger's register, and counters.

    connecting → started → stopping → quiet → gone

The leader (conductor.py) leads through the phases by orders, and gets `state` and `results` in return.
`abort` ends the run early with a reason and makes it fail.
"""

import math
import time
import traceback
from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import gevent
from gevent.lock import BoundedSemaphore

from loadtest import profiles
from loadtest.activities.base import Activity
from loadtest.clock import Clock
from loadtest.event import Event
from loadtest.generator import Generator
from loadtest.ledger import KINDS, Register
from loadtest.profiles import Profile
from loadtest.shapes import Shape
from loadtest.timeline import Timeline

_EXCEPTIONS = 20  # different ones kept; all are counted
_LETTERS = 200  # kept of each
_PLACES = 5  # late users whose places are printed


class Member(Hashable, Protocol):
    """A user, as its trial knows it (chat_user.py)."""

    name: str
    opened: Event
    _greenlet: Any

    def be_cut(self, within: float) -> None:
        """Lose the connection, and reconnect within so many seconds."""


class Trial:
    """One process's part of a run."""

    def __init__(self, shape: Shape, next_number: Callable[[], int], clock: Clock | None = None) -> None:
        """`next_number` returns a new number for each user, unique across processes."""
        self.next_number = next_number
        self.settings, self.shape = shape.settings, shape
        self.id = self.settings.run
        self.clock = clock or Clock()
        self.register = Register()
        self.generator = Generator()
        self.timeline = Timeline(shape.seconds)
        self.signing_up = BoundedSemaphore(self.settings.signups_at_once)
        self.making_rooms = BoundedSemaphore(1)
        self.rooms: set[str] = set()
        self.logs_read: set[str] = set()  # rooms whose log a user has read, or reads, at the end
        self.counts: Counter[str] = Counter()  # messages, retries, deliveries, drops, cut, drains, gaps, bytes …
        self.endings: Counter[str] = Counter()  # how connections ended
        self.advice: Counter[str] = Counter()
        self.exceptions: Counter[str] = Counter()  # in users and their keepers: text and place → count
        self.aborted = ""
        self.refused = False
        self.begun = 0.0  # start of the timed run, on this process's perf_counter; 0: not yet
        self.ended = 0.0  # its end; 0: not yet
        self.started, self.stopping, self.quiet = Event(), Event(), Event()
        self.users: dict[Member, str] = {}  # → connecting, connected, silent
        self._profiles = shape.profiles()
        self._ledgers: dict[str, Any] = {}
        self._sampler: gevent.Greenlet | None = None

    # For users.

    def room_of(self, number: int) -> str:
        """Return a user's room: rooms are filled in turn."""
        return f"load-{self.id}-{number % self.shape.rooms}"

    def profile_of(self, number: int) -> Profile:
        """Return a user's profile."""
        return profiles.of(number, self._profiles)

    def ledger_of(self, activity: type[Activity]) -> Any:
        """Return the activity's ledger of this process."""
        if activity.name not in self._ledgers:
            self._ledgers[activity.name] = activity.ledger()
        return self._ledgers[activity.name]

    def reached(self, user: Member, phase: str) -> None:
        """Note that a user is `connecting`, `connected` or `silent`."""
        self.users[user] = phase

    def gone(self, user: Member) -> None:
        """Note that a user has left."""
        self.users.pop(user, None)

    def abort(self, reason: str, *, refused: bool = False) -> None:
        """End the run with the first given reason.

        `refused`: the server refuses such users, at any load.
        """
        if not self.aborted:
            self.aborted, self.refused = reason, refused
        for event in (self.started, self.stopping, self.quiet):
            event.set()

    def failed(self, error: BaseException, trace: TracebackType | None) -> None:
        """Count an exception in a user or its keeper.

        Before the timed run it ends the run, since that user never connects.
        """
        places = traceback.extract_tb(trace)
        where = f" ({Path(places[-1].filename).name}:{places[-1].lineno}, in {places[-1].name})" if places else ""
        said = str(error).partition("\n")[0][:_LETTERS]
        description = f"{type(error).__name__}: {said}{where}"
        self.exceptions[description if description in self.exceptions or len(self.exceptions) < _EXCEPTIONS else "others"] += 1
        if not self.started.is_set():
            self.abort(f"a user failed before the timed run: {description}")

    def since_begin(self) -> float:
        """Return the seconds since the start of the timed run.

        Negative before it, and after its end, whose events are no part of it.
        """
        if not self.begun or self.stopping.is_set():
            return -1.0
        return time.perf_counter() - self.begun

    # For the leader.

    def obey(self, order: dict[str, Any]) -> None:
        """Follow an order of the leader: start, cut, stop, quiet, abort."""
        match order["do"]:
            case "start":
                self._start(self.clock.ours(order["begun"]))
            case "cut":
                for user in list(self.users):
                    user.be_cut(order["within"])
            case "stop":
                self._stop()
            case "quiet":
                for room, highest in order["highest"].items():
                    self.register.expect(room, highest)
                self.quiet.set()
            case "abort":
                self._tell_places()
                self.abort(order["reason"])
                self._stop()

    def state(self) -> dict[str, Any]:
        """Return the users' progress, and once all are silent each room's highest seq."""
        phases = Counter(self.users.values())
        silent = bool(self.users) and phases["silent"] == len(self.users)
        return {
            "users": len(self.users),
            "connected": phases["connected"] + phases["silent"],
            "silent": phases["silent"],
            "aborted": self.aborted,
            "refused": self.refused,
            "highest": self.register.all_highest() if silent else None,
        }

    def results(self, *, contents: bool) -> dict[str, Any]:
        """Return all results of this process as plain objects.

        `contents`: include the messages, to compare them with other processes'.
        """
        return {
            "counts": dict(self.counts),
            "endings": dict(self.endings),
            "faults": {kind: self.register.counts[kind] for kind in KINDS},
            "examples": [str(fault) for fault in self.register.faults],
            "exceptions": dict(self.exceptions),
            "advice": list(self.advice),
            "acknowledged": self.register.acknowledged,
            "generator": self.generator.as_dict(),
            "timeline": self.timeline.dump(),
            "contents": self.register.dump() if contents else {},
            "clock_error_ms": round(self.clock.error * 1000, 3),
            "aborted": self.aborted,
            "refused": self.refused,
        }

    def _start(self, begun: float) -> None:
        self.begun = begun
        self.generator.begin(time.perf_counter(), time.process_time())
        self._sampler = gevent.spawn(self._sample)
        self.started.set()

    def _tell_places(self) -> None:
        """Print the places of users that delay the others.

        At the end of the run they are lost.
        """
        if self.ended:
            late = Counter(_place(user) for user, phase in self.users.items() if phase != "silent")
            for place, count in late.most_common(_PLACES):
                self.advice[f"not silent: {count} users, {place}"] += 1

    def _stop(self) -> None:
        self.ended = self.ended or time.perf_counter()
        self.stopping.set()
        if self._sampler is not None:
            self._sampler.kill()
            self._sampler = None
            self.generator.end(time.perf_counter(), time.process_time())

    def _sample(self) -> None:
        counted = -1.0
        while True:
            left = self.generator.check(time.perf_counter(), time.process_time())
            if (at := self.since_begin()) - counted >= 1.0:
                self.timeline.users(at, sum(1 for user in self.users if user.opened.is_set()))
                counted = math.floor(at)
            gevent.sleep(left)


def _place(user: Member) -> str:
    """Return a user's innermost place in this package."""
    greenlet = user._greenlet  # noqa: SLF001
    if greenlet is None or greenlet.dead:
        return "which have ended"
    here = Path(__file__).parent
    calls = [call for call in traceback.extract_stack(greenlet.gr_frame) if Path(call.filename).parent == here]
    return f"at {Path(calls[-1].filename).name}:{calls[-1].lineno}, in {calls[-1].name}" if calls else "somewhere in Locust"
