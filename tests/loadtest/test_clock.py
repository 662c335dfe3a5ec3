"""One clock for all generators, with an error within the stated bound."""

import json
import os
import random
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from gevent.pool import Group

from loadtest.clock import Answer, Clock, NoClock, estimate, host
from tests.loadtest.conftest import QUICK, Faulty
from tests.loadtest.users import chat_user
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.server import ROOT, base_environment


def ask(offset: float, there: float, back: float, *, at: float = 100.0) -> Answer:
    """Ask a leader once, with a clock `offset` ahead and these delays in seconds."""
    return Answer(at, at + there + offset, at + there + back)


def test_equal_delays_give_the_exact_offset() -> None:
    offset, error = estimate([ask(7.5, 0.01, 0.01)])
    assert abs(offset - 7.5) < 1e-9
    assert abs(error - 0.01) < 1e-9


def test_stated_error_bounds_the_error_for_any_delays() -> None:
    for _ in range(200):
        there, back, truth = random.random(), random.random(), random.uniform(-1000, 1000)
        offset, error = estimate([ask(truth, there, back)])
        assert abs(offset - truth) <= error + 1e-9


def test_quickest_answer_decides() -> None:
    clock = Clock()
    clock.set([ask(3, 0.5, 0.001), ask(3, 0.001, 0.001), ask(3, 0.001, 0.8)])
    assert abs(clock.offset - 3) < 1e-9
    assert clock.error < 0.002


def test_times_convert_in_both_directions() -> None:
    clock = Clock(offset=-12.25)
    assert clock.ours(clock.theirs(5.0)) == 5.0
    assert clock.theirs(5.0) == -7.25


def test_clock_drift_widens_the_error() -> None:
    clock = Clock()
    clock.set([ask(3, 0.001, 0.001)])
    clock.drift([ask(3.02, 0.001, 0.001)])
    assert 0.020 < clock.error < 0.022


def test_without_an_answer_there_is_no_clock() -> None:
    with pytest.raises(NoClock):
        estimate([])


def test_leader_without_its_time_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at the end of a run: an offset of 0 would look like an exact one."""
    trial = chat_user().trial
    from locust.runners import WorkerRunner  # noqa: PLC0415

    from loadtest import link  # noqa: PLC0415

    class Unheard(WorkerRunner):
        """A worker whose requests are lost."""

        def __init__(self) -> None:
            self.custom_messages, self.greenlet = {}, Group()
            self.asked: list[str] = []

        def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None:
            self.asked.append(msg_type)

    monkeypatch.setattr(link, "_PATIENCE", 0.01)
    runner = Unheard()
    for use in (trial.clock.set, trial.clock.drift):
        trial.aborted = ""
        link.Follower(runner)._correct(trial, use)
        assert trial.aborted.startswith("no clock: ")
        runner.custom_messages.clear()
    assert set(runner.asked) == {"clock.ask"}


def test_processes_of_one_host_share_its_clock() -> None:
    assert host() == host() != ""


@pytest.mark.integration
def test_generators_with_different_clocks_measure_latencies(faulty_server: Faulty, tmp_path: Path) -> None:
    """The kernel sets one worker's clock 1000 s ahead.

    Each delivery between the two crosses that gap.
    """
    port, ahead = free_port(), ["unshare", "--time", "--monotonic", "1000"]
    if os.geteuid():
        ahead.append("--map-root-user")
    common = {
        "URL": faulty_server("none"),
        "MASTER_PORT": str(port),
        "EXPECT_WORKERS": "2",
        "HEADLESS": "1",
        "ROOMS": "1",
        "SETTLE": "3s",
    }
    roles: tuple[tuple[str, list[str]], ...] = (("master", []), ("worker", []), ("worker", ahead))
    with ExitStack() as exits:
        processes = []
        for number, (role, clock) in enumerate(roles):
            env = base_environment() | QUICK | common | {"ROLE": role, "REPORT": str(tmp_path / f"{number}")}
            command: list[str | Path] = [*clock, ROOT / "scripts" / "load"]
            processes.append(Process(command, env=env, log=tmp_path / f"{number}.log", cwd=ROOT))
            exits.callback(processes[-1].kill)
        assert processes[0].popen.wait(90) == 0, "\n".join(process.tail() for process in processes)
    summary = json.loads((tmp_path / "0" / "summary.json").read_text())
    delivered, acknowledged = (summary["figures"][f"send → {to}"] for to in ("delivery to others", "own acknowledgement"))
    assert delivered["count"] == summary["counts"]["deliveries"] == 9 * summary["acknowledged"]
    # A message reaches the others soon after its acknowledgement, and one clock measures the latter.
    error = summary["clock_error_ms"]
    # A wrong offset would be a million milliseconds, far above the delays of a busy machine.
    assert 0 < error < 2000
    assert abs(delivered["p50"] - acknowledged["p50"]) <= error + 5000
    assert delivered["max"] <= acknowledged["max"] + error + 10_000
