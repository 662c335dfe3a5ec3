"""The capacity finder finds the limit, confirms it, and names its cause."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from loadtest import __main__ as load
from loadtest import capacity, measured
from loadtest.measured import Measured, difference
from loadtest.resources import Reading, Servers
from loadtest.values import BadOption
from tests.loadtest.conftest import Faulty
from tests.support.ports import free_port
from tests.support.profile import Profile
from tests.support.server import ROOT, Server, base_environment


class Target:
    """A server that holds a given number of users and records the requests for runs."""

    def __init__(self, holds: int) -> None:
        self.limit = holds
        self.asked: list[int] = []

    def holds(self, users: int) -> bool:
        self.asked.append(users)
        return users <= self.limit


@pytest.mark.parametrize("limit", [25, 26, 49, 50, 99, 137, 1000, 12345])
def test_capacity_is_found_within_the_precision(limit: int) -> None:
    target = Target(limit)
    found = capacity.search(target.holds, start=25, most=100_000, precision=0.1)
    assert found.held <= limit < found.broke
    assert found.broke - found.held <= max(1, 0.1 * found.held)
    assert len(target.asked) < 20


def test_capacity_of_zero_and_of_all_users_is_found() -> None:
    assert capacity.search(Target(3).holds, start=25, most=1000, precision=0.1) == capacity.Found(0, 25)
    assert capacity.search(Target(9999).holds, start=25, most=1000, precision=0.1) == capacity.Found(1000, 0)


def test_load_that_fails_its_repetition_is_reduced() -> None:
    target = Target(85)
    assert capacity.confirm(target.holds, 100) == 81
    assert target.asked == [100, 90, 81]
    assert capacity.confirm(Target(1).holds, 100) == 0
    assert capacity.confirm(target.holds, 0) == 0


def broken(**changes: Any) -> Measured:
    """A failed run on unused servers, except for the changes."""
    changed: dict[str, Any] = {"code": 1, "summary": {}} | changes
    return Measured(**changed)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (broken(cpu={"worker 7 at a": 0.97, "nginx 1": 0.2}, cores={"worker 7 at a": 1.0}), "processor of worker 7 at a: 97 %"),
        (broken(cpu={"postgres 1": 1.9}, cores={"postgres 1": 2.0}), "processor of postgres 1: 95 %"),
        (broken(cpu={"redis 1": 0.9}), "processor of redis 1: 90 %"),
        (broken(machine=0.99), "this machine: 99 % busy"),
        (broken(lag=0.3), "an event loop of web: 300 ms late"),
        (broken(counters={"hubbub_commit_seconds_sum": 30, "hubbub_commit_seconds_count": 100}), "a commit took 300 ms"),
        (broken(counters={"hubbub_layer_dropped_total": 5}), "Redis: 5 messages"),
        (broken(code=3, summary={"invalid": "it used 99 % of its core"}), "the load generator: it used 99 %"),
    ],
)
def test_exhausted_resource_is_named(run: Measured, expected: str) -> None:
    (reason,) = capacity.ran_out(run)
    assert expected.replace(" %", "%") in reason.replace(" %", "%")


@pytest.mark.parametrize(("code", "holds"), [(0, True), (1, False), (3, False)])
def test_a_load_holds_or_not(code: int, holds: bool) -> None:
    assert capacity.held(Measured(code, {"verdict": "told"})) is holds


@pytest.mark.parametrize(
    ("run", "expected", "code"),
    [
        (broken(summary={"refused": True, "aborted": "POST /api/signup answered 403"}), "refuses such users.*answered 403", 1),
        (broken(said="Traceback\nKeyError: 1\n"), "ended with 1 and without a result.*KeyError: 1", 1),
        (broken(code=-9, summary={"verdict": "failed"}), "ended with -9", 1),
        (broken(code=-9, late=True, said="begins\n"), "did not end in time.*begins", 1),
        (broken(code=2, said="load: TOKENS='t' holds 3 tokens\n"), "TOKENS='t' holds 3 tokens", 2),
    ],
)
def test_failure_without_a_server_limit_ends_the_search(run: Measured, expected: str, code: int) -> None:
    with pytest.raises(capacity.Stopped, match=expected) as stopped:
        capacity.held(run)
    assert stopped.value.code == code


def test_interrupted_search_reports_its_findings(tmp_path: Path) -> None:
    finder = capacity.Finder({}, Servers(), tmp_path)
    shown = {"verdict": "told", "figures": {}}
    finder.runs = [(25, Measured(0, shown)), (50, Measured(0, shown)), (100, broken(summary=shown)), (75, broken(code=2))]
    found = finder.so_far()
    assert found == capacity.Found(50, 100)
    answer = capacity.summary(finder, found, found.held, "TOKENS holds 60 tokens")
    assert (answer["users"], answer["broke_at"], answer["lower_bound"]) == (50, 100, True)
    assert "the search ended early: TOKENS holds 60 tokens" in capacity.lines(answer)
    assert "largest load that held, once: 50 users" in capacity.lines(answer)


def test_starved_generator_marks_the_capacity_as_a_minimum(tmp_path: Path) -> None:
    finder = capacity.Finder({}, Servers(), tmp_path)
    for starved in ("", "it used 99 % of its core"):
        shown = {"verdict": "failed", "figures": {}, "invalid": starved}
        finder.runs = [(25, Measured(0, {"figures": {}})), (50, broken(summary=shown))]
        answer = capacity.summary(finder, finder.so_far(), 25)
        assert answer["lower_bound"] is bool(starved)
        assert [reason.startswith("the load generator: ") for reason in answer["ran_out"]] == [True] * bool(starved)


def test_search_stays_within_the_number_of_tokens(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("a\nb\nc\n")
    assert capacity.sizes({"TOKENS": str(file), "START": "2", "MOST": "100"}) == (2, 3)
    assert capacity.sizes({"START": "2", "MOST": "100"}) == (2, 100)
    with pytest.raises(BadOption, match="holds 3 tokens, START=25 needs as many"):
        capacity.sizes({"TOKENS": str(file)})


def test_endless_seed_command_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_SEED_TIMEOUT", 0.1)
    with pytest.raises(BadOption, match="did not end within"):
        load.seeded("sleep 2; echo {n}", 1, tmp_path)


def test_unexhausted_resource_is_not_named() -> None:
    assert capacity.ran_out(broken(cpu={"nginx 1": 0.5}, machine=0.6, lag=0.01)) == []


def test_usage_is_the_difference_of_two_readings() -> None:
    found = Measured(0, {})
    before = Reading(at=10, cpu={"web 1": 5.0, "gone 1": 1.0}, counters={"x": 2})
    difference(found, before, Reading(at=20, cpu={"web 1": 9.0, "new 1": 1.0}, counters={"x": 5, "y": 1}, lag=0.2))
    assert (found.seconds, found.cpu, found.counters, found.lag) == (10, {"web 1": 0.4}, {"x": 3, "y": 1}, 0.2)


@pytest.mark.integration
def test_a_server_is_read_by_worker(server: Server, profile: Profile) -> None:
    deadline = time.monotonic() + 20
    while len((reading := Servers.of(server.base_url, "", "").read()).cpu) < profile.workers:
        assert time.monotonic() < deadline, "each worker reports once a second"
        time.sleep(0.3)
    assert reading.unreadable == []
    assert len(reading.cpu) == len(reading.memory) == profile.workers
    assert all(0 < seconds < 1000 for seconds in reading.cpu.values())
    assert "hubbub_deliveries_total" in reading.counters


def test_server_without_metrics_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    (problem,) = Servers.of(url, "", "").read().unreadable
    assert problem.startswith(f"{url}/metrics: ")


def test_unreadable_source_is_reported(tmp_path: Path) -> None:
    finder = capacity.Finder({}, Servers.of("http://127.0.0.1:1", "", ""), tmp_path)
    finder.runs = [(25, Measured(0, {"figures": {}}))]
    answer = capacity.summary(finder, finder.so_far(), 25)
    assert any(line.startswith("  not read: nginx, Redis and Postgres: ") for line in capacity.lines(answer))
    assert Servers((), "hubbub").blind == []


@pytest.mark.parametrize("metrics", ["", "http://127.0.0.1:1"])
def test_a_project_needs_docker(metrics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/stack asks a real engine for a missing project."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadOption, match=r"PROJECT='hubbub': docker cannot be asked on this machine: .*No such file"):
        Servers.of("http://127.0.0.1:1", metrics, "hubbub")


def run_capacity(report: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `scripts/capacity` to its end."""
    return subprocess.run(
        [ROOT / "scripts" / "capacity"],
        env=base_environment() | {"REPORT": str(report), "CI": os.environ.get("CI", "")} | env,
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


@pytest.mark.integration
@pytest.mark.timeout(420)
def test_ten_messages_a_second_do_not_hold_sixteen_users(faulty_server: Faulty, tmp_path: Path) -> None:
    env = {
        "THRESHOLDS": str(Path(__file__).with_name("thresholds.toml")),
        "GATES": "slow",
        "PROFILES": "person",
        "THINK": "1",
        "RECONNECTS": "0",
        "HISTORY": "0",
        "SETTLE": "5s",
        "ROOMS": "1",
    }
    sizes = {"START": "4", "MOST": "100", "PRECISION": "1", "TIME": "4s", "CONFIRM": "4s"}
    done = run_capacity(tmp_path, URL=faulty_server("slow"), **env, **sizes)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads((tmp_path / "capacity.json").read_text())
    assert 4 <= answer["users"] < answer["broke_at"] <= 16
    assert "largest load that holds" in done.stdout
    assert (tmp_path / "01-4-users" / "timeline.png").exists()


@pytest.mark.integration
def test_hanging_run_is_ended_with_its_children(faulty_server: Faulty, tmp_path: Path) -> None:
    """Its seeding is a grandchild that keeps the output open for a minute."""
    env = base_environment() | {"URL": faulty_server("none"), "SEED": "sleep 60; echo {n}", "TIME": "0.5s"}
    begun = time.monotonic()
    run = measured.run(env, Servers(), tmp_path, longest=0.5)
    assert time.monotonic() - begun < 55
    assert run.late
    assert run.code != 0


@pytest.mark.integration
def test_refused_sign_up_is_not_counted_as_capacity(faulty_server: Faulty, tmp_path: Path) -> None:
    done = run_capacity(tmp_path, URL=faulty_server("closed"), START="2", TIME="1s")
    assert done.returncode == 1
    assert "the server refuses such users, however few they are: POST /api/signup answered 403" in done.stderr
    assert "breaks at" not in done.stdout
    assert json.loads((tmp_path / "capacity.json").read_text())["stopped"]


@pytest.mark.integration
def test_closed_port_and_wrong_option_are_reported(tmp_path: Path) -> None:
    dead = run_capacity(tmp_path, URL=f"http://127.0.0.1:{free_port()}")
    assert (dead.returncode, "nothing answers" in dead.stderr) == (1, True)
    wrong = run_capacity(tmp_path, PRECISION="fine")
    assert (wrong.returncode, "PRECISION='fine'" in wrong.stderr) == (2, True)
