"""Carry orders, states, results and the clock between a run's processes.

They go between the leader and the processes with users. Locust's master and workers exchange messages; in a single process its
runner passes them on directly, so both work alike. Message names: `trial.order` (leader to all), `trial.state`,
`trial.results`, `clock.ask`, `number.ask` (to the leader), `clock.answer`, `number.answer` (back).
"""

import itertools
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import AsyncResult
from locust import runners
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from loadtest import clock
from loadtest.clock import Answer, NoClock
from loadtest.conductor import Conductor
from loadtest.trial import Trial

_POLL = 0.05
_QUESTIONS = 15
_UNANSWERED = 3  # unanswered questions after which none is asked any more
_PATIENCE = 3.0
_NUMBER_WITHIN = 30.0  # seconds; a leader that spawns thousands answers one by one
_MISSING_AFTER = 30  # seconds without a sign of life; after Locust's default of 3 the run would end as if stopped by hand


def lead(runner: Any, make: Any) -> Conductor:
    """Return the conductor made by `make(send, processes)`."""
    conductor: Conductor = make(
        lambda order: runner.send_message("trial.order", order),
        lambda: runner.worker_count if isinstance(runner, MasterRunner) else 1,
    )
    return conductor


def listen_as_leader(runner: Any, conductor: Any) -> None:
    """Listen for states, results and questions about the time.

    `conductor()` is the current run's, or None.

    A worker without time for a sign of life is starved, as its results show; a dead one is missing at the end.
    """
    runners.HEARTBEAT_LIVENESS = _MISSING_AFTER

    def state(environment: Any, msg: Any) -> None:
        if (leader := conductor()) is not None:
            leader.hear(msg.node_id, msg.data)

    def results(environment: Any, msg: Any) -> None:
        if (leader := conductor()) is not None:
            if msg.data["aborted"]:
                leader.abort(msg.data["aborted"], refused=msg.data["refused"])
            leader.results.merge(msg.node_id, msg.data)

    def time_of_day(environment: Any, msg: Any) -> None:
        answer = {"asked": msg.data["asked"], "leader": time.perf_counter(), "host": clock.host()}
        runner.send_message("clock.answer", answer, msg.node_id)

    def number(environment: Any, msg: Any) -> None:
        if (leader := conductor()) is not None:
            runner.send_message("number.answer", {"asked": msg.data, "number": leader.next_number()}, msg.node_id)

    runner.register_message("number.ask", number)
    runner.register_message("trial.state", state)
    runner.register_message("trial.results", results)
    if isinstance(runner, MasterRunner):
        runner.register_message("clock.ask", time_of_day)


def is_leader(runner: Any) -> bool:
    """Return whether this process leads: the master, or the only process."""
    return isinstance(runner, MasterRunner | LocalRunner)


class Follower:
    """One process with users: obeys orders and reports each change of its state."""

    def __init__(self, runner: Any) -> None:
        self.runner = runner
        self.trial: Trial | None = None
        self._answer: AsyncResult | None = None
        self._teller: gevent.Greenlet | None = None
        self._asking = itertools.count()
        self._numbers: dict[int, AsyncResult] = {}
        runner.register_message("number.answer", self._on_number)
        runner.register_message("trial.order", self._obey)
        if isinstance(runner, WorkerRunner):
            runner.register_message("clock.answer", self._on_time)

    def follow(self, trial: Trial) -> None:
        """Begin a run: set the clock, then report the state."""
        if self._teller is not None:
            self._teller.kill()
        self.trial = trial
        self._teller = gevent.spawn(self._tell, trial)

    def next_number(self) -> int:
        """Get another user's number from the leader.

        Raises gevent.Timeout without an answer.
        """
        asked = next(self._asking)
        waiting = self._numbers[asked] = AsyncResult()
        try:
            self.runner.send_message("number.ask", asked)
            return int(waiting.get(timeout=_NUMBER_WITHIN))
        finally:
            del self._numbers[asked]

    def _on_number(self, environment: Any, msg: Any) -> None:
        if (waiting := self._numbers.get(msg.data["asked"])) is not None:
            waiting.set(msg.data["number"])

    def _obey(self, environment: Any, msg: Any) -> None:
        trial = self.trial
        if trial is None:
            return
        if msg.data["do"] == "results":
            gevent.spawn(self._tell_results, trial)
        else:
            trial.obey(msg.data)

    def _tell(self, trial: Trial) -> None:
        self._correct(trial, trial.clock.set)
        last = None
        while True:
            state = {**trial.state(), "ready": True}
            if state != last:
                self.runner.send_message("trial.state", state)
                last = state
            gevent.sleep(_POLL)

    def _tell_results(self, trial: Trial) -> None:
        worker = isinstance(self.runner, WorkerRunner)
        if worker:
            self._correct(trial, trial.clock.drift)
            # Locust reports statistics every 3 s. Send the last ones now, since the leader reports as soon as it has our results.
            self.runner._send_stats()  # noqa: SLF001
        self.runner.send_message("trial.results", trial.results(contents=worker))

    def _correct(self, trial: Trial, use: Callable[[list[Answer]], None]) -> None:
        """Correct the clock by the leader's, or abort.

        An unset clock would pass for an exact one.
        """
        if isinstance(self.runner, WorkerRunner) and (answers := self._ask_time()) is not None:
            try:
                use(answers)
            except NoClock as error:
                trial.abort(f"no clock: {error}")

    def _ask_time(self) -> list[Answer] | None:
        """Ask the leader for its time.

        None on the leader's own host, which shares its clock.
        """
        answers: list[Answer] = []
        for asked in range(_QUESTIONS):
            if not answers and asked >= _UNANSWERED:
                break
            self._answer = AsyncResult()
            self.runner.send_message("clock.ask", {"asked": time.perf_counter()})
            try:
                reply = self._answer.get(timeout=_PATIENCE)
            except gevent.Timeout:
                continue
            if reply["host"] == clock.host():
                return None
            answers.append(Answer(reply["asked"], reply["leader"], time.perf_counter()))
        return answers

    def _on_time(self, environment: Any, msg: Any) -> None:
        if self._answer is not None:
            self._answer.set(msg.data)
