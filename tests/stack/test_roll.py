"""scripts/roll on a busy stack: no change, or a new version.

Each test rolls from where the one before ended: a roll that brings the settings back saves a `compose up`.
"""

import asyncio
import json
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import httpx
import pytest

from tests.stack.rolling import docker, identities, roll
from tests.stack.stack import Stack, tls_files
from tests.support.crowd import Crowd
from tests.support.ports import free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


async def test_up_to_date_containers_are_not_replaced(stack: Stack) -> None:
    before = {service: identities(stack, service) for service in ("web", "worker", "nginx")}
    answer = await roll(stack)
    assert answer.returncode == 0, answer.stderr
    assert "were up to date" in answer.stderr
    assert {service: identities(stack, service) for service in before} == before


async def test_container_made_by_hand_is_left_alone(stack: Stack) -> None:
    """The container is of web's image, started by hand to look around.

    It has most labels of compose, which writes them into the image.
    """
    made = docker("run", "--detach", "--entrypoint", "sleep", stack.containers("web")[0]["Config"]["Image"], "300").strip()
    try:
        assert json.loads(docker("inspect", made))[0]["Config"]["Labels"]["com.docker.compose.service"] == "web"
        answer = await roll(stack)
        assert "were up to date" in answer.stderr, answer.stderr
        assert docker("inspect", "--format", "{{.State.Running}}", made).strip() == "true"
    finally:
        docker("rm", "--force", made)


@pytest.mark.drill
async def test_new_build_is_rolled_out_without_loss(settled: Stack) -> None:
    stack = settled
    with (stack.directory / "app" / "config" / "wsgi_marker.py").open("a") as file:
        file.write("# a new release\n")
    before, nginx = stack.containers("web"), identities(stack, "nginx")
    async with Crowd(stack.url, readers=8, writers=4, askers=3) as crowd:
        await crowd.until_written(10)
        answer = await roll(stack, "--build")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        await crowd.until_written(20)
    await crowd.hold_to_the_log()
    assert crowd.requests > 100
    assert crowd.failed_requests == []
    # Once for each client's first container; at most once more for a client that reached an old one again.
    assert set(crowd.connections()) <= {2, 3}
    assert set(crowd.ended()) == {"1012"}
    after = stack.containers("web")
    assert len(after) == 2
    assert {one["Id"] for one in after}.isdisjoint(one["Id"] for one in before)
    assert {one["Image"] for one in after}.isdisjoint(one["Image"] for one in before)
    assert identities(stack, "nginx") == nginx, "its image did not change"
    assert [one["Image"] for one in stack.containers("worker")] == [after[0]["Image"]]
    assert_compose_agrees(stack)


def assert_compose_agrees(stack: Stack) -> None:
    """The result of the roll is compose's own: compose replaces nothing."""
    before = {service: [one["Id"] for one in stack.containers(service)] for service in ("web", "worker", "nginx")}
    answer = stack.compose("up", "--detach", "--no-build", timeout=180)
    assert answer.returncode == 0, answer.stderr
    assert {service: [one["Id"] for one in stack.containers(service)] for service in before} == before


@pytest.mark.drill
async def test_worker_and_nginx_follow_when_their_settings_change(
    settled: Stack, record_testsuite_property: Callable[[str, object], None]
) -> None:
    stack = settled
    env = {"LIMIT_REQUESTS_PER_S": "5000", "LOG_LEVEL": "warning"}
    before = {service: identities(stack, service) for service in ("web", "worker", "nginx")}
    away: list[float] = []
    async with Crowd(stack.url, readers=4, writers=2) as crowd:
        watching = asyncio.create_task(time_away(stack, away))
        answer = await roll(stack, env=env)
        assert answer.returncode == 0, answer.stderr
        await crowd.until_written(5)
        watching.cancel()
    await crowd.hold_to_the_log()
    for service, were in before.items():
        now = identities(stack, service)
        assert len(now) == len(were)
        assert set(now).isdisjoint(were), service
    # The port is closed between the end of one nginx and the start of the next.
    assert 0 < max(away) < 10, away
    record_testsuite_property("nginx_away_s", round(max(away), 1))


async def time_away(stack: Stack, away: list[float]) -> None:
    """Record the length of each period without a possible connection."""
    since = None
    async with httpx.AsyncClient(timeout=5) as http:
        while True:
            try:
                await http.get(f"{stack.url}/nginx-healthz")
            except httpx.TransportError:
                since = since or monotonic()
            else:
                if since:
                    away.append(monotonic() - since)
                since = None
            await asyncio.sleep(0.05)


@pytest.mark.drill
async def test_pages_lack_no_file_during_a_front_end_roll(settled: Stack) -> None:
    stack = settled
    with (stack.directory / "frontend" / "src" / "ui" / "account.css").open("a") as file:
        file.write(".of-another-release { color: red }\n")
    seen: dict[str, datetime] = {}
    missing: list[str] = []
    visiting = asyncio.create_task(visit(stack, seen, missing))
    answer = await roll(stack, "--build")
    assert answer.returncode == 0, answer.stderr
    visiting.cancel()
    assert missing == []
    styles = [name for name in seen if name.endswith(".css")]
    (nginx,) = stack.containers("nginx")
    started = datetime.fromisoformat(nginx["State"]["StartedAt"][:26] + "+00:00")
    # New servers sent pages while the old nginx still ran.
    assert min(seen[name] for name in styles) < max(seen[name] for name in styles) < started


async def visit(stack: Stack, seen: dict[str, datetime], missing: list[str]) -> None:
    """Load a page with all its files repeatedly.

    Record first mentions and missing files.
    """
    async with httpx.AsyncClient(base_url=stack.url, timeout=15) as http:
        while True:
            with suppress(httpx.TransportError):  # nginx itself is being replaced
                page = await http.get("/accounts/sign-up/")
                for name in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
                    seen.setdefault(name, datetime.now(UTC))
                    answer = await http.get(name)
                    if answer.status_code != httpx.codes.OK or not answer.content:
                        missing.append(f"{name} {answer.status_code}")
            await asyncio.sleep(0.05)


@pytest.mark.drill
def test_tls_is_rolled_out(settled: Stack, tmp_path: Path) -> None:
    stack = settled
    port = free_port()
    env = tls_files(tmp_path) | {"HTTPS_PORT": str(port)}
    answer = stack.script("roll", env=stack.env | env)
    assert answer.returncode == 0, answer.stderr
    trust = ssl.create_default_context(cafile=env["TLS_CERTIFICATE"])
    assert httpx.get(f"https://localhost:{port}/readyz", verify=trust, timeout=15).status_code == 200
    assert {f"PUBLIC_URL=https://localhost:{port}" in one["Config"]["Env"] for one in stack.containers("web")} == {True}


OUTSIDE = """
services:
  postgres:
    networks: {data: {}, edge: {aliases: [outside]}}
  web:
    environment: &database
      DATABASE_URL_FILE: /run/secrets/DATABASE_URL
  worker:
    environment: *database
    networks: [data, edge]
  migrate:
    environment: *database
    networks: [data, edge]
secrets:
  DATABASE_URL: {file: var/managed/DATABASE_URL}
  MIGRATE_DATABASE_URL: {file: var/managed/MIGRATE_DATABASE_URL}
"""


@pytest.fixture
def outside(settled: Stack) -> Iterator[Stack]:
    """The stack with an external database, as in docs/deploy.md.

    nginx's network leads to it.
    """
    stack = settled
    override = stack.directory / "compose.override.yaml"
    override.write_text(OUTSIDE)
    managed = stack.directory / "var" / "managed"
    managed.mkdir(mode=0o700)
    for name in ("DATABASE_URL", "MIGRATE_DATABASE_URL"):
        (managed / name).write_text(stack.secret(name).replace("@postgres:", "@outside:"))
    answer = stack.compose("up", "--detach", "--no-build", "--wait", timeout=180)
    assert answer.returncode in (0, 1), answer.stderr  # some releases count the ended migrate as a failure
    stack.wait_ready()
    yield stack
    override.unlink()


@pytest.mark.drill
async def test_external_database_is_rolled_without_loss(outside: Stack) -> None:
    stack = outside
    before = {one["Id"] for one in stack.containers("web")}
    async with Crowd(stack.url, readers=6, writers=3, askers=2) as crowd:
        await crowd.until_written(5)
        answer = await roll(stack, "--force")
        assert answer.returncode == 0, answer.stderr
        await crowd.until_written(5)
    await crowd.hold_to_the_log()
    assert crowd.failed_requests == []
    assert max(crowd.connections()) <= 3
    after = {one["Id"] for one in stack.containers("web")}
    assert len(after) == 2
    assert after.isdisjoint(before)
