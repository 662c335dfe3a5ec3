"""Whole runs against the product's own server, and against a closed port."""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.loadtest.conftest import QUICK, RunLoad
from tests.loadtest.runs import LoadRun
from tests.support.chat_client import sign_up
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.server import ROOT, Server, base_environment

pytestmark = pytest.mark.integration

NOBODY = f"http://127.0.0.1:{free_port()}"


@pytest.mark.load(TIME="5s", ROOMS="2", RECONNECTS="0.2", HISTORY="0.1")
def test_users_with_lost_networks_miss_nothing(run: LoadRun) -> None:
    assert run.code == 0, run.output
    summary = run.summary
    assert summary["passed"]
    assert 5 <= summary["timed_s"] < 15  # a busy machine may end it late
    assert summary["acknowledged"] == summary["counts"]["messages"] > 50
    assert summary["counts"]["deliveries"] > summary["acknowledged"]
    assert set(summary["faults"].values()) == {0}
    assert not summary["errors"]
    for figure in summary["figures"].values():
        assert figure["count"] > 0
        assert 0 <= figure["p50"] <= figure["p99"] <= figure["max"] + 50  # Locust rounds percentiles, not the maximum
    assert set(summary["figures"]) == {
        "sign-up",
        "handshake",
        "join",
        "send → own acknowledgement",
        "send → delivery to others",
        "reconnect → resynchronised",
        "history page",
    }
    handshakes = summary["figures"]["handshake"]["count"]
    requests = {entry["name"]: entry["num_requests"] for entry in json.loads((run.report / "locust.json").read_text())}
    assert requests["handshake"] == handshakes
    charts = (run.report / "report.html").read_text()
    assert "<html" in charts
    assert f'"name": "handshake", "num_failures": 0, "num_requests": {handshakes}' in charts
    assert "send → delivery to others" in (run.report / "locust_stats.csv").read_text()


def test_one_token_for_each_user_suffices(server: Server, run_load: RunLoad, tmp_path: Path) -> None:
    """Three processes have four users: Locust chooses the process with two."""

    async def accounts() -> list[str]:
        return [(await sign_up(server.base_url)).token for _ in range(4)]

    file = tmp_path / "tokens"
    file.write_text("\n".join(asyncio.run(accounts())))
    run = run_load(server.base_url, USERS="4", TOKENS=str(file), PROCESSES="3")
    assert run.code == 0, run.output
    assert "sign-up" not in run.summary["figures"]
    assert run.summary["connections_ended"] == {"asked 1000": 4}


@pytest.mark.load(USERS="3", GATES="impossible")
def test_a_missed_threshold_is_exit_code_1(run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert "MISSED  send → own acknowledgement: max at most 0.001 ms" in run.output
    assert "p99 at most" not in run.output
    assert "FAILED: 1 of" in run.output


@pytest.mark.load(URL=NOBODY)
def test_dead_address_is_exit_code_1_with_a_hint(run: LoadRun) -> None:
    assert run.code == 1
    assert f"nothing answers at {NOBODY}" in run.output
    assert "make run" in run.output


LoadUnderWay = Callable[..., Process]


@pytest.fixture
def load_under_way(server: Server, tmp_path: Path) -> Iterator[LoadUnderWay]:
    """Start a load run of so many seconds with the generator's limits.

    Return when its timed part begins.
    """
    with ExitStack() as exits:

        def start(seconds: str, **env: str) -> Process:
            env = (
                base_environment() | QUICK | {"URL": server.base_url, "TIME": seconds, "REPORT": str(tmp_path), "GATES": ""} | env
            )
            process = Process([ROOT / "scripts" / "load"], env=env, log=tmp_path / "output", cwd=ROOT)
            exits.callback(process.kill)
            process.wait_until(lambda: "timed run" in process.tail(), timeout=60, what="the timed run")
            return process

        yield start


def test_stall_of_the_generator_makes_a_good_run_invalid(
    load_under_way: LoadUnderWay,
) -> None:
    load = load_under_way("8s")
    load.send(signal.SIGSTOP)
    time.sleep(1.5)
    load.send(signal.SIGCONT)
    assert load.popen.wait(60) == 3, load.tail()
    output = load.tail()
    assert "GENERATOR STARVED: its loop was" in output
    assert "limits, from the defaults: 85 %, 50 ms" in output
    assert "INVALID" in output
    assert "PASSED" not in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("processes", ["1", "2"])
def test_stopped_run_ends_with_a_verdict(
    load_under_way: LoadUnderWay, tmp_path: Path, number: signal.Signals, processes: str
) -> None:
    load = load_under_way("10m", PROCESSES=processes)  # it cannot end before the stop, also on a busy machine
    time.sleep(2)
    load.send(number)
    load.wait_until_gone(timeout=30)
    assert load.popen.returncode == 1, load.tail()
    assert f"MISSED  the run came to its end: stopped early by {number.name}" in load.tail()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["verdict"], summary["generator"]["processes"]) == ("failed", int(processes))
    assert summary["acknowledged"] > 0


def test_signal_to_all_processes_of_a_run_leaves_a_report(load_under_way: LoadUnderWay, tmp_path: Path) -> None:
    load = load_under_way("10m", PROCESSES="2")
    time.sleep(2)
    load.send_all(signal.SIGTERM)
    load.wait_until_gone(timeout=30)
    assert load.popen.returncode == 1, load.tail()
    assert json.loads((tmp_path / "summary.json").read_text())["generator"]["processes"] == 2


def test_users_end_with_a_leader_that_is_killed(load_under_way: LoadUnderWay) -> None:
    load = load_under_way("10m", PROCESSES="2")
    load.send(signal.SIGKILL)
    load.wait_until_gone(timeout=5)


@pytest.mark.load(USERS="2", TIME="1s", PROFILES="lurker")
def test_run_without_a_message_fails(run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert "MISSED  messages acknowledged: 0" in run.output


@pytest.mark.parametrize(
    "variable",
    [
        pytest.param(next(iter(settings)), marks=pytest.mark.load(server=settings, **load))
        for settings, load in (
            ({"SIGNUP_OPEN": "false"}, {}),
            ({"LIMIT_SIGNUPS_PER_H": "2"}, {}),
            ({"LIMIT_HANDSHAKES_PER_S": "1"}, {"RECONNECTS": "0.5", "USERS": "4"}),
            ({"LIMIT_MESSAGES_PER_S": "1"}, {"THINK": "0.05-0.1", "USERS": "3"}),
        )
    ],
)
def test_reached_limit_is_named(variable: str, run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert variable in run.output
    assert "TOKENS" in run.output or not variable.startswith("SIGN")


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param(expected, marks=pytest.mark.load(**({"URL": "http://127.0.0.1:9"} | wrong)))
        for wrong, expected in (
            ({"SHAPE": "spikes"}, "SHAPE='spikes' does not exist; there is: smoke, ramp, steps"),
            ({"USERS": "many"}, "USERS='many' must be a whole number"),
            ({"TIME": "soon"}, "TIME='soon' is no duration"),
            ({"URL": "ftp://example.org"}, "URL='ftp://example.org' must be http"),
        )
    ],
)
def test_wrong_option_is_refused_before_the_run(expected: str, run: LoadRun) -> None:
    assert run.code == 2
    assert expected in run.output


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param(expected, marks=pytest.mark.load(**wrong))
        for wrong, expected in (
            ({"GATES": "nightmare"}, "GATES='nightmare' does not exist"),
            ({"ROOMS": "11"}, "ROOMS=11 is more than USERS=10"),
            ({"THINK": "9-1"}, "THINK='9-1' must go from the shorter pause to the longer"),
            ({"RECONNECTS": "2"}, "RECONNECTS='2' must be a share"),
            ({"TOKENS": "/nowhere"}, "TOKENS='/nowhere' cannot be read"),
        )
    ],
)
def test_an_option_of_the_run_is_refused_by_name(expected: str, run: LoadRun) -> None:
    assert run.code == 2
    assert expected in run.output
    assert not (run.report / "summary.json").exists()
