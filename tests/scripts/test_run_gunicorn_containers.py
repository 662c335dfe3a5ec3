"""scripts/run_gunicorn.sh in real containers with real limits."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.stack


def facts(*limits: str) -> dict[str, str]:
    """Return the facts of --print in a container with these limits."""
    command = [
        "docker",
        "run",
        "--rm",
        "--network=none",
        "--read-only",
        "--user=10001",
        *limits,
        "--env=REDIS_URL=redis://r",
    ]
    command += [f"--volume={ROOT / each}:/srv/{each}:ro" for each in ("scripts", "app")]
    command += ["python:3.13-slim", "/srv/scripts/run_gunicorn.sh", "--print"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


def test_a_fractional_quota_is_rounded_down() -> None:
    found = facts("--cpus=1.5")
    assert found["CPU quota"] == "1.500 cores"
    assert found["workers"] == "1"


def test_a_cpuset_below_the_quota_decides() -> None:
    found = facts("--cpus=2", "--cpuset-cpus=0")
    assert found["CPU quota"] == "2.000 cores"
    assert (found["workers"], found["decided by"]) == ("1", "cores by affinity")


def test_a_memory_limit_is_found() -> None:
    found = facts("--memory=300m")
    assert found["memory"] == "300 MiB"
    assert found["workers"] == "1"


def test_without_limits_all_cores_are_used() -> None:
    found = facts()
    assert found["CPU quota"] == "none"
    assert found["workers"] == found["cores by affinity"]
