"""scripts/roll with a broken version, and interrupted or killed rolls.

Each test rolls from where the one before ended. The first tests change nothing, later ones change more and more.
"""

import asyncio
import fcntl
import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.stack.rolling import docker, identities, interrupted, roll
from tests.stack.stack import Stack
from tests.support.crowd import Crowd

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def test_roll_names_its_errors(stack: Stack, tmp_path: Path) -> None:
    assert "unknown argument --fast" in stack.script("roll", "--fast", timeout=60).stderr
    none = stack.script("roll", env=stack.env | {"COMPOSE_PROJECT_NAME": f"{stack.project}-none"}, timeout=60)
    assert none.returncode == 1
    assert "the stack is not running" in none.stderr
    missing = stack.script("roll", env=stack.env | {"IMAGE_TAG": "never-built"}, timeout=60)
    assert missing.returncode == 1
    assert f"there is no image {stack.project}-web:never-built" in missing.stderr
    wrong = stack.script("roll", env=stack.env | {"DRAIN_SECONDS": "soon"}, timeout=60)
    assert "DRAIN_SECONDS must be whole seconds" in wrong.stderr


@pytest.mark.drill
def test_second_roll_at_once_is_refused(stack: Stack, tmp_path: Path) -> None:
    lock = stack.directory / "var" / f"roll-{stack.project}.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another roll is under way" in stack.script("roll", timeout=60).stderr
    # As on macOS.
    env = stack.env | {"PATH": str(without("flock", tmp_path))}
    other = lock.with_suffix(".lock.d")
    other.mkdir()
    refused = stack.script("roll", env=env, timeout=60)
    assert refused.returncode == 1
    assert f"if none runs any more, remove {other}" in refused.stderr
    other.rmdir()
    answer = stack.script("roll", env=env)
    assert answer.returncode == 0, answer.stderr
    assert not other.exists()


def without(name: str, directory: Path) -> Path:
    """A folder with all programs of the PATH but one."""
    for folder in os.get_exec_path():
        for program in Path(folder).iterdir() if Path(folder).is_dir() else ():
            link = directory / program.name
            if program.name != name and not link.is_symlink():
                link.symlink_to(program)
    return directory


@pytest.mark.drill
def test_missing_nginx_is_started_first(stack: Stack) -> None:
    (nginx,) = stack.containers("nginx")
    docker("stop", nginx["Id"])
    answer = stack.script("roll")
    assert answer.returncode == 0, answer.stderr
    assert "nginx was not running: started it again" in answer.stderr
    assert [one["Id"] for one in stack.containers("nginx")] == [nginx["Id"]]


QUICK_CHECK = "HEALTHCHECK --interval=1s --start-period=1s --retries=2"
UNREADY = (
    "import http.server as h; "
    "A = type('A', (h.BaseHTTPRequestHandler,), "
    "{'do_GET': lambda s: (s.send_response(200 if s.path == '/healthz' else 503), s.end_headers())}); "
    "h.HTTPServer(('0.0.0.0', 8000), A).serve_forever()"
)


@pytest.mark.drill
@pytest.mark.parametrize(
    ("lines", "within_s", "why"),
    [
        # Docker restarts it at once: it runs nearly whenever it is inspected.
        ('CMD ["sleep", "1"]\n', 120, "a new container ended"),
        (f'{QUICK_CHECK} CMD ["false"]\n', 120, "a new container is unhealthy"),
        (f'{QUICK_CHECK} CMD ["true"]\nCMD python -c "{UNREADY}"\n', 10, "a new container was not ready within 10 s"),
        ("USER 0\nRUN echo 'raise SystemExit(7)' >app/manage.py\nUSER 10001\n", 120, "the migrations failed with code 7"),
    ],
    ids=["ends", "unhealthy", "never ready", "failing migration"],
)
async def test_broken_version_never_serves(
    settled: Stack, release: Callable[[str], None], lines: str, within_s: int, why: str
) -> None:
    stack = settled
    release(lines)
    before = {service: identities(stack, service) for service in ("web", "worker", "nginx")}
    async with Crowd(stack.url, readers=2, writers=2, askers=1) as crowd:
        answer = await roll(stack, env={"ROLL_READY_SECONDS": str(within_s)})
        await crowd.until_written(5)
    await crowd.hold_to_the_log()
    assert answer.returncode == 1, answer.stderr
    assert why in answer.stderr.splitlines()[-1]
    assert {service: identities(stack, service) for service in before} == before
    assert crowd.failed_requests == []
    assert set(crowd.connections()) == {1}


@pytest.mark.drill
def test_interrupted_replacement_of_nginx_is_finished(settled: Stack) -> None:
    stack = settled
    for how, limit in ((signal.SIGINT, "5001"), (signal.SIGHUP, "5002")):
        stopped = interrupted(stack, "Replacing nginx", how, {"LIMIT_REQUESTS_PER_S": limit})
        assert stopped.returncode == 130
        assert "all containers were replaced, and nginx runs" in stopped.stderr.splitlines()[-1]
        (nginx,) = stack.containers("nginx")
        assert f"LIMIT_REQUESTS_PER_S={limit}" in nginx["Config"]["Env"]
        assert httpx.get(f"{stack.url}/readyz", timeout=15).status_code == 200


@pytest.mark.drill
async def test_next_roll_finishes_a_killed_one(settled: Stack) -> None:
    stack = settled
    env = {"LOG_LEVEL": "warning", "LIMIT_REQUESTS_PER_S": "5000"}
    old = {one["Id"] for service in ("web", "worker", "nginx") for one in stack.containers(service)}
    for line in ("Migrating", "Starting 2 new", "Ending ", "Replacing worker", "Replacing nginx"):
        killed = await asyncio.to_thread(interrupted, stack, line, signal.SIGKILL, env)
        assert killed.returncode == -signal.SIGKILL, line
        # nginx, too: docker finishes the started work without the script.
        await asyncio.to_thread(stack.wait_ready)
    answer = await roll(stack, env=env)
    assert answer.returncode == 0, answer.stderr
    now = {service: [one["Id"] for one in stack.containers(service)] for service in ("web", "worker", "nginx")}
    assert {service: len(ids) for service, ids in now.items()} == {"web": 2, "worker": 1, "nginx": 1}
    assert old.isdisjoint(one for ids in now.values() for one in ids)
    assert_nothing_is_remembered(stack)


@pytest.mark.drill
async def test_new_containers_stay_once_an_old_one_drains(settled: Stack, release: Callable[[str], None]) -> None:
    stack = settled
    old = {one["Id"] for one in stack.containers("web")}
    release("LABEL hubbub.test.release=3\n")
    stopped = await asyncio.to_thread(interrupted, stack, "Ending ")
    assert stopped.returncode == 130
    assert "the new web containers serve, and the old ones are being ended; scripts/roll goes on" in stopped.stderr
    new = {one["Id"] for one in stack.containers("web")} - old
    assert len(new) == 2
    docker("pause", *new)
    try:
        answer = await roll(stack, env={"ROLL_READY_SECONDS": "3"})
    finally:
        docker("unpause", *new)
    assert answer.returncode == 1, answer.stderr
    assert "; what served stays, of both versions" in answer.stderr
    assert new <= {one["Id"] for one in stack.containers("web")}
    answer = await roll(stack)
    assert answer.returncode == 0, answer.stderr
    assert {one["Id"] for one in stack.containers("web")} == new
    assert_nothing_is_remembered(stack)


@pytest.mark.drill
async def test_next_roll_finishes_an_interrupted_one(settled: Stack, release: Callable[[str], None]) -> None:
    stack = settled
    assert stack.compose("up", "--detach", "--no-build", "--no-recreate", "--scale", "web=3", timeout=180).returncode == 0
    old = {one["Id"] for one in stack.containers("web")}
    release("LABEL hubbub.test.release=2\n")
    async with Crowd(stack.url, readers=6, writers=3, askers=2) as crowd:
        # Before the new containers are ready, and while the old ones drain.
        for line in ("Starting 3 new web containers", "Ending "):
            assert (await asyncio.to_thread(interrupted, stack, line)).returncode == 130
        assert len(stack.containers("web")) > 3
        answer = await roll(stack)
        assert answer.returncode == 0, answer.stderr
        assert "Finishing a roll that was interrupted" in answer.stderr
        await crowd.until_written(5)
    await crowd.hold_to_the_log()
    assert crowd.failed_requests == []
    assert len(stack.containers("web")) == 3
    assert old.isdisjoint(one["Id"] for one in stack.containers("web"))
    assert {one["Config"]["Labels"].get("hubbub.test.release") for one in stack.containers("web")} == {"2"}
    assert_nothing_is_remembered(stack)


def assert_nothing_is_remembered(stack: Stack) -> None:
    """Only the lock file remains of the roll, without a holder."""
    (lock,) = (stack.directory / "var").glob("roll*")
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
