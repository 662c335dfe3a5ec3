"""`scripts/chaos`: its help names every fault, and it names a wrong argument."""

import signal
import subprocess

import pytest

from tests.chaos.faults.catalogue import FAULTS
from tests.stack.stack import ROOT


def chaos(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "scripts" / "chaos", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_help_names_every_fault() -> None:
    answer = chaos("--help")
    assert answer.returncode == 0
    assert answer.stdout.split("FAULT is one of")[1].split() == list(FAULTS)


def test_every_fault_has_a_description() -> None:
    assert len({fault.title for fault in FAULTS.values()}) == len(FAULTS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-fault"], "no such fault: no-such-fault"),
        (["--clients", "10"], "--clients twice that, not 20 and 10"),
        (["--rooms", "1"], "--rooms must be 2 or more"),
        (["--rate", "0"], "--rate must be above 0"),
        (["--mode", "all"], "invalid choice: 'all'"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], said: str) -> None:
    answer = chaos(*arguments)
    assert answer.returncode == 2
    assert said in answer.stderr


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_interrupted_run_leaves_nothing_behind() -> None:
    """Interrupt the start of the stack between its first container and the others."""
    running = subprocess.Popen([ROOT / "scripts" / "chaos", "storm"], stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    project = next(line for line in running.stderr if line.startswith("Building")).split()[-1]
    while not left("ps", project):
        assert running.poll() is None, running.stderr.read()
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=300) == 128 + signal.SIGTERM
    assert "chaos: stopped early by SIGTERM: no verdict" in running.stderr.read()
    assert [left(kind, project) for kind in ("ps", "network", "volume")] == ["", "", ""]


def left(kind: str, project: str) -> str:
    """Return the ids of a project's containers, networks or volumes."""
    command = ["docker", "ps", "--all"] if kind == "ps" else ["docker", kind, "ls"]
    command += ["--quiet", "--filter", f"label=com.docker.compose.project={project}"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
