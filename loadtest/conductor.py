"""Lead a run through its phases, over one or many processes, and collect results.

    connecting → timed → silent → settled → results

Orders go to each process's Trial (trial.py), states and results come back. link.py carries both over Locust's connection
between master and workers, or directly in a single process. Every phase has a time limit.
"""

import itertools
import sys
import time
from collections.abc import Callable
from typing import Any

import gevent

from loadtest.options import Settings
from loadtest.results import Results
from loadtest.shapes import Shape

Order = dict[str, Any]
_POLL = 0.05
_PROGRESS = 5.0
_SLACK = 15.0  # seconds for the last answer of messages at the end of their patience


class Conductor:
    """One run.

    `send` gives an order to every process; `processes` returns their number.

    As many processes as at the start must deliver results: a process that died has taken evidence with it.
    """

    results_within: float = 15.0  # seconds

    def __init__(self, shape: Shape, send: Callable[[Order], None], processes: Callable[[], int]) -> None:
        self.shape = shape
        self.settings: Settings = shape.settings
        self.results = Results(shape.seconds)
        self.connected_in = 0.0
        self.timed = 0.0
        self.aborted = ""
        self.refused = False  # aborted because the server refuses these users, at any load
        self.over = False
        self._send = send
        self._processes = processes
        self._all = 1
        self._begun = 0.0
        self._stopped_at: float | None = None
        self._states: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count()

    def users_wanted(self) -> int:
        """Return how many users there should be now."""
        return self.shape.users_at(self._moment())

    def next_number(self) -> int:
        """Return the next user's number, across all processes.

        0, 1, 2 … in Locust's order of spawning.
        """
        return next(self._numbers)

    def hear(self, node: str, state: dict[str, Any]) -> None:
        """Store the state of a process."""
        self._states[node] = state
        if state["aborted"]:
            self.abort(state["aborted"], refused=state["refused"])

    def abort(self, reason: str, *, refused: bool = False) -> None:
        """End the run with the first given reason."""
        if not self.aborted and not self.over:
            self.aborted, self.refused = reason, refused
            self._send({"do": "abort", "reason": reason})

    def conduct(self) -> None:
        """Lead through all phases; return once all results are here or overdue."""
        begun = time.perf_counter()
        self._all = max(1, self._processes())
        first = self.shape.users_at(0)
        self._until("connected", first, self.settings.setup_timeout, progress=True)
        self.connected_in = time.perf_counter() - begun
        if not self.aborted:
            self.say(f"{first} users connected in {self.connected_in:.1f} s; "
                     f"the timed run of {self.settings.seconds:g} s begins")  # fmt: skip
            self._timed()
            self._until("silent", None, self.shape.patience + _SLACK)
            self._send({"do": "quiet", "highest": self._highest()})
            self._until("gone", None, self.shape.settle + 2 * self.shape.patience + _SLACK)
        self.gather()
        self.over = True

    def gather(self, within: float | None = None) -> None:
        """Request results and wait for all of them."""
        if self.results.complete(self._all):
            return
        self._send({"do": "results"})
        until = time.perf_counter() + (self.results_within if within is None else within)
        while not self.results.complete(self._all) and time.perf_counter() < until:
            gevent.sleep(_POLL)
        if not self.results.complete(self._all):
            reported = self.results.generator()["processes"]
            self.abort(f"only {reported} of {self._all} load generators told their results: the others died, or were too busy")

    def say(self, text: str) -> None:
        """Print progress."""
        print(text, file=sys.stderr if self.settings.json else sys.stdout, flush=True)

    def _moment(self) -> float:
        if not self._begun:
            return 0.0
        return (self._stopped_at or time.perf_counter()) - self._begun

    def _timed(self) -> None:
        self._begun = time.perf_counter()
        self._send({"do": "start", "begun": self._begun})
        for moment in (*self.shape.cuts, self.settings.seconds):
            self._sleep_until(self._begun + moment)
            if self.aborted:
                break
            if moment < self.settings.seconds:
                self._send({"do": "cut", "within": self.settings.storm_jitter})
        self._stopped_at = time.perf_counter()
        self.timed = self._stopped_at - self._begun
        self._send({"do": "stop"})

    def _sleep_until(self, moment: float) -> None:
        while not self.aborted and (left := moment - time.perf_counter()) > 0:
            gevent.sleep(min(_POLL, left))

    def _until(self, phase: str, count: int | None, seconds: float, *, progress: bool = False) -> None:
        """Wait until all users (or `count`) have reached a phase; abort after `seconds`."""
        until = time.perf_counter() + seconds
        say = time.perf_counter() + _PROGRESS
        while not self.aborted:
            users, reached = self._reached(phase)
            wanted = users if count is None else count
            if self._all_tell() and reached >= wanted:
                return
            now = time.perf_counter()
            if now > until:
                self.abort(self._late(phase, reached, wanted, seconds))
            if progress and now > say:
                self.say(f"{reached} of {wanted} users {phase}")
                say = now + _PROGRESS
            gevent.sleep(_POLL)

    def _late(self, phase: str, reached: int, wanted: int, seconds: float) -> str:
        """Describe the users that have not reached the phase."""
        if not self._all_tell():
            ready = sum(state["ready"] for state in self._states.values())
            return f"only {ready} of {self._all} load generators told within {seconds:g} s how far their users are"
        if phase == "gone":
            return f"{-reached} users had not finished within {seconds:g} s"
        return f"only {reached} of {wanted} users were {phase} within {seconds:g} s"

    def _reached(self, phase: str) -> tuple[int, int]:
        users = sum(state["users"] for state in self._states.values())
        if phase == "gone":
            return 0, -users
        return users, sum(state[phase] for state in self._states.values())

    def _all_tell(self) -> bool:
        return len(self._states) >= self._all and all(state["ready"] for state in self._states.values())

    def _highest(self) -> dict[str, int]:
        highest: dict[str, int] = {}
        for state in self._states.values():
            for room, seq in (state["highest"] or {}).items():
                highest[room] = max(seq, highest.get(room, 0))
        return highest
