"""`manage.py drain` in a read-only web container under an init."""

import asyncio
import re

import pytest

from tests.stack.stack import Stack
from tests.support.crowd import Crowd

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

DRAIN = ("python", "app/manage.py", "drain")


def ready(stack: Stack) -> set[str]:
    """Return the ready files of the first container's workers."""
    return set(stack.exec("web", "sh", "-c", "cd /dev/shm/hubbub-10001/* && ls -d ready-*").stdout.split())


@pytest.mark.drill
async def test_workers_of_a_container_are_recycled_in_place(stack: Stack) -> None:
    before, containers = ready(stack), [one["Id"] for one in stack.containers("web")]
    async with Crowd(stack.url, readers=6, writers=3, askers=2) as crowd:
        await crowd.until_written(5)
        answer = await asyncio.to_thread(stack.exec, "web", *DRAIN, "--recycle")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        await crowd.until_written(5)
    await crowd.hold_to_the_log()
    assert answer.stdout.endswith("Recycled.\n")
    assert crowd.failed_requests == []
    assert set(crowd.ended()) <= {"1012"}
    after = ready(stack)
    assert len(after) == len(before) >= 1
    assert after.isdisjoint(before)
    assert [one["Id"] for one in stack.containers("web")] == containers
    assert {one["RestartCount"] for one in stack.containers("web")} == {0}


@pytest.mark.drill
async def test_drained_container_restarts_without_loss(restored: Stack) -> None:
    stack = restored
    async with Crowd(stack.url, readers=6, writers=3, askers=2) as crowd:
        await crowd.until_written(5)
        answer = await asyncio.to_thread(stack.exec, "web", *DRAIN)
        # The command ends with its container, before or after its last output.
        assert re.match(r"Draining 0\.0\.0\.0:8000 \(process \d+, \d+ workers\)\.", answer.stdout), answer.stderr
        await crowd.until_written(10)
    await crowd.hold_to_the_log()
    assert crowd.failed_requests == []
    assert sorted(one["RestartCount"] for one in stack.containers("web")) == [0, 1]


def test_a_longer_drain_reaches_every_part_of_a_running_stack(restored: Stack) -> None:
    stack = restored
    answer = stack.script("up", env=stack.env | {"DRAIN_SECONDS": "60"})
    assert answer.returncode == 0, answer.stderr
    for service in ("web", "worker", "nginx"):
        for one in stack.containers(service):
            assert one["State"]["Running"], service
            assert one["Config"]["StopTimeout"] == 70, service
    assert "--graceful-timeout 60" in stack.exec("web", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout
    assert "worker_shutdown_timeout 60s;" in stack.exec("nginx", "cat", "/tmp/nginx/nginx.conf").stdout


def test_memory_ceiling_follows_from_the_container_limit(stack: Stack) -> None:
    assert "memory ceiling of a worker: 768 MiB\n" in stack.exec("web", "scripts/run_gunicorn.sh", "--print").stdout
