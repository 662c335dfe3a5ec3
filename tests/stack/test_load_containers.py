"""The load generator in containers beside the stack."""

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from loadtest.ledger import KINDS
from loadtest.resources import Servers
from loadtest.values import BadOption
from tests.stack.stack import Answer, Stack
from tests.support.ports import free_port
from tests.support.server import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

SERVICES = ("loadtest-worker", "loadtest-master", "loadtest-seed", "loadtest-volume")
RUN = {"USERS": "20", "PROFILES": "person", "THINK": "1-2", "SHAPE": "storm", "STORMS": "1", "TIME": "5s", "GATES": "ci-storm"}


class Generators:
    """The compose profile `loadtest` of a stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.env = RUN | {"HEADLESS": "1", "LOADTEST_WORKERS": "2", "LOADTEST_PORT": str(free_port())}

    def compose(self, *arguments: str, timeout: float = 180) -> Answer:
        """Run scripts/compose as in docs/loadtest.md."""
        options = ("-f", "compose.loadtest.yaml", "--profile", "loadtest")
        return self.stack.script("compose", *options, *arguments, env=self.stack.env | self.env, timeout=timeout)

    def containers(self, service: str) -> list[str]:
        """Return the ids of its containers, also ended ones."""
        return self.compose("ps", "--all", "--quiet", service).stdout.split()

    def remove(self) -> None:
        """Remove the containers, but not the volumes: `make clean` needs them."""
        self.compose("rm", "--stop", "--force", *SERVICES)
        image = f"{self.stack.project}-loadtest:{self.stack.project}"
        subprocess.run(["docker", "image", "rm", "--force", image], capture_output=True, timeout=60, check=False)


@pytest.fixture
def generators(stack: Stack) -> Iterator[Generators]:
    """The profile, built and not started."""
    code = stack.directory / "loadtest"
    shutil.copytree(ROOT / "loadtest", code, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    running = Generators(stack)
    try:
        answer = running.compose("build", "loadtest-volume", timeout=400)
        assert answer.returncode == 0, answer.stderr
        yield running
    finally:
        running.remove()


def test_master_and_two_workers_load_the_stack_and_report(stack: Stack, generators: Generators) -> None:
    served = {container["Id"] for container in stack.containers("web") + stack.containers("nginx")}
    begun = generators.compose("up", "--detach", "--no-build", "loadtest-master", "loadtest-worker")
    assert begun.returncode == 0, begun.stderr
    (master,) = generators.containers("loadtest-master")
    assert len(generators.containers("loadtest-worker")) == 2
    ended = subprocess.run(["docker", "wait", master], capture_output=True, text=True, timeout=180, check=False)
    said = generators.compose("logs", "--no-color", "loadtest-master", "loadtest-worker", "loadtest-seed").stdout
    assert ended.stdout.strip() == "0", said

    report = ROOT / "artifacts" / "stack" / "containers"
    report.mkdir(parents=True, exist_ok=True)
    fetched = generators.compose("cp", "loadtest-master:/results/.", str(report))
    assert fetched.returncode == 0, fetched.stderr
    summary = json.loads((report / "summary.json").read_text())
    assert summary["verdict"] == "passed"
    assert (summary["users"], summary["users_came"], summary["generator"]["processes"]) == (20, 20, 2)
    assert summary["faults"] == dict.fromkeys(KINDS, 0)
    assert "sign-up" not in summary["figures"], "they were seeded"
    assert summary["counts"]["back after a cut"] == summary["counts"]["cut"] > 0
    assert summary["figures"]["send → delivery to others"]["count"] > 0
    for name in ("report.html", "locust.json", "timeline.csv", "timeline.png"):
        assert (report / name).stat().st_size > 0, name
    assert {container["Id"] for container in stack.containers("web") + stack.containers("nginx")} == served, "none was replaced"


def test_capacity_reads_existing_containers_only(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong name or a silent engine must not look like unlimited servers."""
    servers = Servers.of(stack.url, "", stack.project)
    assert (len(servers.replicas), servers.blind) == (2, [])
    reading = servers.read()
    assert reading.unreadable == []
    assert {"web 1", "web 2", "nginx 1", "redis 1", "postgres 1"} <= set(reading.cpu)
    with pytest.raises(BadOption, match=rf"PROJECT='{stack.project}x' has no running containers; .*{stack.project}"):
        Servers.of(stack.url, "", f"{stack.project}x")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(BadOption, match=r"docker cannot be asked on this machine: .*nowhere"):
        Servers.of(stack.url, "", stack.project)
