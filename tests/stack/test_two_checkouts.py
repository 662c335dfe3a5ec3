"""Two checkouts on one machine share neither containers nor images."""

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.rolling import docker
from tests.stack.stack import Stack, copy_checkout

SECRETS = {"SECRET_KEY": "x" * 50, "POSTGRES_PASSWORD": "x", "REDIS_PASSWORD": "x"}


RECORD = """
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/stack.sh
read_settings
record_checkout
"""


@pytest.fixture
def copies(tmp_path: Path) -> tuple[Stack, Stack]:
    """Two copies with the same project name."""
    stacks = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        copy_checkout(tmp_path / name)
        stacks.append(Stack(tmp_path / name))
    first, second = stacks
    second.env["COMPOSE_PROJECT_NAME"] = second.project = first.project
    return first, second


@pytest.fixture
def checkouts(copies: tuple[Stack, Stack]) -> Iterator[tuple[Stack, Stack]]:
    """The copies; the first has a web container, never started."""
    first, second = copies
    image = f"{first.project}-empty"
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w").close()
    subprocess.run(["docker", "import", "-", image], input=empty.getvalue(), check=True, capture_output=True, timeout=60)
    labels = {"project": first.project, "service": "web", "container-number": "1", "oneoff": "False", "config-hash": "x"}
    labels |= {"project.working_dir": str(first.directory)}
    options = [part for name, value in labels.items() for part in ("--label", f"com.docker.compose.{name}={value}")]
    docker("create", "--name", f"{first.project}-web-1", *options, image, "true")
    yield first, second
    subprocess.run(["docker", "rm", "--force", f"{first.project}-web-1"], check=False, capture_output=True, timeout=60)
    docker("image", "rm", image)


def test_second_checkout_leaves_containers_of_the_first(checkouts: tuple[Stack, Stack]) -> None:
    first, second = checkouts
    for script in (["up"], ["roll"], ["down"], ["clean", "--yes"]):
        answer = second.script(*script, timeout=60, env=second.env | SECRETS)
        assert answer.returncode == 1, answer.stderr
        assert f"belongs to the checkout {first.directory}: set COMPOSE_PROJECT_NAME" in answer.stderr
    assert docker("ps", "--all", "--quiet", "--filter", f"name={first.project}-web-1").strip()
    assert first.script("down", timeout=60, env=first.env | SECRETS).returncode == 0, "it may end its own containers"


def test_moved_checkout_keeps_its_containers(checkouts: tuple[Stack, Stack]) -> None:
    first, second = checkouts
    (first.directory / "compose.yaml").unlink()
    answer = second.script("down", timeout=60, env=second.env | SECRETS)
    assert answer.returncode == 0, answer.stderr


def record(stack: Stack) -> None:
    """Do what `make up` does before it starts anything."""
    command = ["bash", "-c", RECORD]
    done = subprocess.run(command, env=stack.env, cwd=stack.directory, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def volumes(stack: Stack) -> list[str]:
    found = docker("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={stack.project}")
    return sorted(found.split())


@pytest.fixture
def stopped(copies: tuple[Stack, Stack]) -> Iterator[tuple[Stack, Stack]]:
    """The copies; the first had a stack, of which `make down` left the volumes."""
    first, second = copies
    docker("volume", "create", "--label", f"com.docker.compose.project={first.project}", f"{first.project}_postgres")
    record(first)
    yield first, second
    for volume in volumes(first):
        docker("volume", "rm", volume)


def test_second_checkout_leaves_volumes_of_a_stopped_stack(stopped: tuple[Stack, Stack]) -> None:
    first, second = stopped
    before = volumes(first)
    assert len(before) == 2
    for script in (["up"], ["roll"], ["compose", "down", "--volumes"], ["clean", "--yes"]):
        answer = second.script(*script, timeout=60, env=second.env | SECRETS)
        assert answer.returncode == 1, answer.stderr
        assert f"belongs to the checkout {first.directory}: set COMPOSE_PROJECT_NAME" in answer.stderr
    assert volumes(first) == before
    record(first)
    assert volumes(first) == before, "it was noted already"
    assert first.script("clean", "--yes", timeout=60, env=first.env | SECRETS).returncode == 0
    assert volumes(first) == []


def test_moved_checkout_keeps_its_volumes(stopped: tuple[Stack, Stack]) -> None:
    first, second = stopped
    (first.directory / "compose.yaml").rename(first.directory / "away.yaml")
    record(second)
    (first.directory / "away.yaml").rename(first.directory / "compose.yaml")
    assert f"belongs to the checkout {second.directory}" in first.script("down", timeout=60, env=first.env | SECRETS).stderr


def test_images_are_named_after_their_project(checkouts: tuple[Stack, Stack]) -> None:
    stack = checkouts[1]
    env = {**SECRETS, "COMPOSE_PROJECT_NAME": "elsewhere", "IMAGE_TAG": "1"}
    assert stack.script("up", "--secrets", timeout=60, env=stack.env | env).returncode == 0
    answer = stack.compose("--file", "compose.yaml", "--file", "compose.loadtest.yaml", "config", "--format", "json", env=env)
    assert answer.returncode == 0, answer.stderr
    ours = {service["image"] for service in json.loads(answer.stdout)["services"].values() if "build" in service}
    assert {image.split("-")[0] for image in ours} == {"elsewhere"}
