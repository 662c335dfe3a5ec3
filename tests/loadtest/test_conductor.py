"""The leader of a run names the processes that are missing at its end."""

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from loadtest import conductor as module
from loadtest import shapes
from loadtest.conductor import Conductor
from loadtest.schedule import Turns
from loadtest.trial import Trial
from tests.loadtest.options import settings


class Somebody:
    """A user that only reports whether it is connected."""

    def __init__(self) -> None:
        self.opened = Event()
        self._greenlet: Any = None


class Process:
    """One process of a run with one scripted user.

    If `mortal`, it dies when asked for its results.
    """

    def __init__(self, name: str, shape: shapes.Shape, *, mortal: bool) -> None:
        self.name, self.mortal, self.dead = name, mortal, False
        self.trial = Trial(shape, lambda: 0)
        self.trial.users = {Somebody(): "connected"}  # type: ignore[dict-item]

    def obey(self, order: dict[str, Any], conductor: Conductor) -> None:
        if order["do"] == "results":
            self.dead = self.mortal
            if not self.dead:
                conductor.results.merge(self.name, self.trial.results(contents=True))
            return
        self.trial.obey(order)
        if order["do"] == "stop":
            self.trial.users = dict.fromkeys(self.trial.users, "silent")
        elif order["do"] == "quiet":
            self.trial.users.clear()
        self.tell(conductor)

    def tell(self, conductor: Conductor) -> None:
        conductor.hear(self.name, {**self.trial.state(), "ready": True})


Run = Callable[[bool], Conductor]


@pytest.fixture
def run() -> Run:
    """Lead two processes through a run of 0.1 s; one may die at its very end."""

    def lead(mortal: bool) -> Conductor:
        shape = shapes.of(settings(num_users="2", time="0.1s"))
        processes = [Process("one", shape, mortal=False), Process("two", shape, mortal=mortal)]

        def send(order: dict[str, Any]) -> None:
            for process in processes:
                process.obey(order, conductor)

        conductor = Conductor(shape, send, lambda: sum(not process.dead for process in processes))
        conductor.results_within = 0.1
        for process in processes:
            process.tell(conductor)
        conductor.conduct()
        return conductor

    return lead


def test_a_run_ends_with_the_results_of_all(run: Run) -> None:
    conductor = run(False)
    assert (conductor.aborted, conductor.results.generator()["processes"]) == ("", 2)


def test_process_that_dies_before_its_results_fails_the_run(run: Run) -> None:
    assert "only 1 of 2 load generators told their results" in run(True).aborted


@pytest.mark.parametrize(
    ("deaf_to", "expected"),
    [
        ("start", "only 0 of 1 users were connected within 0.1 s"),
        ("stop", "only 0 of 1 users were silent within 0.1 s"),
        ("quiet", "1 users had not finished within 0.3 s"),
        ("", "only 1 of 2 load generators told within 0.1 s how far their users are"),
    ],
)
def test_late_processes_are_reported_with_consistent_numbers(
    deaf_to: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SLACK", 0.0)
    shape = shapes.of(settings(num_users="1", time="0.1s", setup_timeout="0.1s", patience="0.1s", settle="0.1s"))
    process = Process("one", shape, mortal=False)
    if deaf_to == "start":
        process.trial.users = dict.fromkeys(process.trial.users, "connecting")

    def send(order: dict[str, Any]) -> None:
        if order["do"] != deaf_to:
            process.obey(order, conductor)

    conductor = Conductor(shape, send, lambda: 1 if deaf_to else 2)
    conductor.results_within = 0.1
    process.tell(conductor)
    conductor.conduct()
    assert conductor.aborted == expected


def test_places_of_users_that_delay_the_end_are_reported() -> None:
    trial = Trial(shapes.of(settings()), lambda: 0)
    late, lost = Somebody(), Somebody()
    late._greenlet = gevent.spawn(Turns().over_after, 60)
    gevent.sleep(0)
    trial.users = {late: "connected", lost: "connected", Somebody(): "silent"}  # type: ignore[dict-item]
    for order in ({"do": "start", "begun": 0.0}, {"do": "stop"}, {"do": "abort", "reason": "too late"}):
        trial.obey(order)
    late._greenlet.kill()
    advice = " ".join(trial.advice)
    assert "not silent: 1 users, at schedule.py:" in advice
    assert ", in over_after" in advice
    assert "not silent: 1 users, which have ended" in advice


def test_user_numbers_are_unique() -> None:
    conductor = Conductor(shapes.of(settings()), print, lambda: 1)
    assert [conductor.next_number() for _ in range(5)] == [0, 1, 2, 3, 4]
