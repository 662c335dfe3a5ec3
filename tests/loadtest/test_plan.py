"""The growth model finds real costs, states its error, and grows with the load."""

import copy
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.variables import VARIABLES
from loadtest import plan
from loadtest.costs import beyond, errors, fit, read
from loadtest.plan import Habit
from tests.support.server import ROOT

MEASURED = read()
COSTS = fit(MEASURED["points"])
TRUTH = {
    "web": {"replicas": 0.02, "connections": 1e-4, "messages": 2e-3, "deliveries": 3e-5},
    "nginx": {"one": 0.01, "connections": 1e-5, "messages": 0.0, "deliveries": 2e-5},
    "redis": {"one": 0.01, "connections": 0.0, "messages": 5e-5},
    "postgres": {"one": 0.02, "connections": 1e-5, "messages": 1e-3},
}


def made_up() -> list[dict[str, Any]]:
    """The measured loads, with the cores that TRUTH would use."""
    points: list[dict[str, Any]] = copy.deepcopy(MEASURED["points"])
    for point in points:
        for part, costs in TRUTH.items():
            point["cores"][part] = sum(cost * (1 if cause == "one" else point[cause]) for cause, cost in costs.items())
    return points


def test_existing_costs_are_found_and_others_are_zero() -> None:
    found = fit(made_up())
    for part, costs in TRUTH.items():
        assert found.cores[part] == pytest.approx(costs, rel=1e-6, abs=1e-12)
    assert errors(found, made_up())["rooms of fifteen"] == pytest.approx(dict.fromkeys(TRUTH, 0.0), abs=1e-9)


def test_no_cost_is_below_zero() -> None:
    assert all(cost >= 0 for costs in COSTS.cores.values() for cost in costs.values())
    assert all(each > 0 for each in COSTS.bytes_a_connection.values())


def test_model_predicts_a_point_outside_its_fit() -> None:
    """Accept a quarter of difference for a shared machine.

    A cause missing from the model makes far more.
    """
    assert "rooms of fifteen" not in COSTS.fitted_on
    (error,) = errors(COSTS, MEASURED["points"]).values()
    assert max(map(abs, error.values())) < 0.25, error


def test_model_predicts_a_load_far_beyond_its_fit() -> None:
    found = beyond(MEASURED["points"])
    assert list(found) == ["'many idle', 3.0 times the connections of all it was fitted on"]
    (error,) = found.values()
    assert max(map(abs, error.values())) < 0.25, error
    (none,) = beyond(made_up()).values()
    assert none == pytest.approx(dict.fromkeys(TRUTH, 0.0), abs=1e-6)


def fullest(part: str, pod: plan.Pod, pods: int, made: plan.Plan) -> dict[str, float]:
    """Return how full so many pods are under a plan's load, by resource."""
    rates = {"connections": made.connections, "messages": made.messages, "deliveries": made.deliveries}
    megabytes = made.connections * COSTS.bytes_a_connection[part] / 2**20
    return {
        "processor": (COSTS.moving(part, rates) + pods * COSTS.fixed(part)) / (pods * pod.cores),
        "connections": made.connections / (pods * pod.connections),
        "memory": (megabytes + pods * pod.idle_mb) / (pods * pod.memory_mb),
    }


@pytest.mark.parametrize(
    ("part", "habit", "decided"),
    [
        ("web", Habit(), "processor"),
        ("web", Habit(100_000, 2), "processor"),
        ("nginx", Habit(), "memory"),
        ("nginx", Habit(20, 400), "processor"),
    ],
)
def test_every_pod_of_a_plan_has_room_for_its_load(part: str, habit: Habit, decided: str) -> None:
    """A plan's load fits its pods, and does not fit one pod fewer."""
    made = plan.plan(1_000_000, habit, COSTS)
    pod, units = (plan.WEB, made.web_pods) if part == "web" else (plan.NGINX, made.nginx_pods)
    assert made.decided[part] == decided
    assert max(fullest(part, pod, units, made).values()) <= plan.BUSY
    fewer = fullest(part, pod, units - 1, made)
    assert fewer[decided] == max(fewer.values()) > plan.BUSY


def test_small_pod_is_limited_by_its_scarcest_resource() -> None:
    pod = plan.Pod(cores=1, connections=100, memory_mb=100, idle_mb=10)
    assert pod.limits(load=1.0, fixed=0.1, connections=30, bytes_a_connection=2**20) == {
        "processor": 2, "connections": 1, "memory": 1,
    }  # fmt: skip
    assert pod.limits(load=0.1, fixed=0.1, connections=600, bytes_a_connection=2**10)["connections"] == 10
    assert pod.limits(load=0.1, fixed=0.1, connections=100, bytes_a_connection=2**20)["memory"] == 2


def test_database_of_a_plan_has_room_for_its_idle_use() -> None:
    made = plan.plan(1_000_000, Habit(), COSTS)
    rates = {"connections": made.connections, "messages": made.messages}
    used = COSTS.moving("postgres", rates) / made.cells + COSTS.fixed("postgres")
    assert used <= plan.BUSY * made.postgres_cores


def test_pods_of_a_plan_are_the_shipped_ones() -> None:
    base = ROOT / "k8s" / "base"

    def limits(name: str) -> dict[str, str]:
        objects = [item for item in yaml.safe_load_all((base / f"{name}.yaml").read_text()) if item]
        (workload,) = (item for item in objects if item["kind"] == "Deployment" and item["metadata"]["name"] == name)
        containers = workload["spec"]["template"]["spec"]["containers"]
        return dict(next(one for one in containers if one["name"] == name)["resources"]["limits"])

    said = {"web": ("2", "1Gi"), "nginx": ("2", "512Mi")}
    assert {name: (limits(name)["cpu"], limits(name)["memory"]) for name in said} == said
    assert [(pod.cores, pod.memory_mb) for pod in (plan.WEB, plan.NGINX)] == [(2, 1024), (2, 512)]
    settings = dict(line.split("=", 1) for line in (base / "nginx.env").read_text().splitlines() if "=" in line)
    (usual,) = (one.default for one in VARIABLES if one.name == "NGINX_WORKER_CONNECTIONS")
    each = int(settings.get("NGINX_WORKER_CONNECTIONS", usual or 0))
    assert int(settings["NGINX_WORKER_PROCESSES"]) * each / 2 == plan.NGINX.connections


def test_more_connections_never_need_fewer_resources() -> None:
    plans = [plan.plan(size, Habit(), COSTS) for size in (1_000, 10_000, 100_000, 1_000_000, 10_000_000)]
    needs = [(one.web_pods, one.nginx_pods, one.redis_shards, one.cells * one.postgres_cores, one.monthly) for one in plans]
    for smaller, larger in itertools.pairwise(needs):
        assert all(less <= more for less, more in zip(smaller, larger, strict=True))
    assert plans[0].changes == ()
    assert "regional cells, a database each" in plans[-1].changes


def test_busier_users_need_more() -> None:
    quiet, busy = (plan.plan(1_000_000, habit, COSTS) for habit in (Habit(600, 15), Habit(30, 15)))
    assert busy.web_pods > quiet.web_pods
    assert busy.messages == 20 * quiet.messages
    assert plan.plan(1_000_000, Habit(120, 800), COSTS).nginx_pods > plan.plan(1_000_000, Habit(120, 15), COSTS).nginx_pods


def test_documented_plan_is_the_models_output() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text()
    said = [*plan.cost_lines(MEASURED, COSTS), *plan.table([plan.plan(size, Habit(), COSTS) for size in plan.STEPS])]
    assert [line for line in said if line not in text] == [], "run python -m loadtest.plan and copy its output"


def test_command_prints_and_draws_the_plan(tmp_path: Path) -> None:
    picture = tmp_path / "new" / "plan.png"
    command = [sys.executable, "-m", "loadtest.plan", "--connections", "50000", "--plot", str(picture)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "| connections | 50,000 |" in done.stdout
    assert "not fitted on: web " in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    wrong = subprocess.run([*command, "--room", "0"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (wrong.returncode, "must be above 0" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, "points: PROJECT must name the compose project"),
        ({"PROJECT": "hubbub", "URL": "here"}, "points: URL='here' must be http"),
        ({"PROJECT": "hubbub", "URL": "http://127.0.0.1:1"}, "points: PROJECT='hubbub': docker cannot be asked on this machine"),
    ],
)
def test_incomplete_point_names_its_missing_value(env: dict[str, str], expected: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "loadtest.points"]
    done = subprocess.run(
        command, env=env | {"PATH": str(tmp_path)}, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, expected in done.stderr) == (1, True), done.stderr
