"""Two installations on one Redis stay separate."""

import secrets
from collections.abc import Iterator
from time import monotonic, sleep

import httpx
import pytest

from tests.stack.rolling import docker
from tests.stack.stack import Stack
from tests.support.chat_client import ChatClient, sign_up
from tests.support.ports import free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture
def second(stack: Stack) -> Iterator[str]:
    """The address of another installation with its own database, on the stack's Redis."""
    name = f"second_{secrets.token_hex(4)}"
    stack.exec("postgres", "psql", "-qU", "postgres", "-c", f"CREATE DATABASE {name} OWNER hubbub")
    database, redis = stack.secret("DATABASE_URL").rpartition("/")[0], stack.secret("REDIS_URL").rpartition("/")[0]
    options = ["--env", f"DATABASE_URL={database}/{name}", "--env", f"REDIS_URL={redis}/5"]
    options += ["--env", "MIGRATE_DATABASE_URL="]
    url = f"http://127.0.0.1:{free_port()}"
    options += ["--env", f"PUBLIC_URL={url}", "--no-deps"]
    migrated = stack.compose("run", "--rm", *options, "migrate", timeout=180)
    assert migrated.returncode == 0, migrated.stderr
    container = f"{stack.project}-{name}"
    published = url.removeprefix("http://") + ":8000"
    started = stack.compose("run", "--detach", "--name", container, "--publish", published, *options, "web")
    assert started.returncode == 0, started.stderr
    try:
        _wait_ready(url, container)
        yield url
    finally:
        docker("rm", "--force", container)
        stack.exec("postgres", "psql", "-qU", "postgres", "-c", f"DROP DATABASE {name} WITH (FORCE)")


def _wait_ready(url: str, container: str) -> None:
    deadline = monotonic() + 90
    while True:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        assert monotonic() < deadline, docker("logs", container)[-3000:]
        sleep(0.5)


@pytest.mark.drill
async def test_installations_on_one_redis_do_not_mix(stack: Stack, second: str) -> None:
    """Both have a lobby with the same id, and people with the same ids."""
    ada, bob = await sign_up(stack.url), await sign_up(second)
    async with (
        ChatClient(stack.ws("/ws/"), ada) as here,
        ChatClient(second.replace("http", "ws") + "/ws/", bob) as there,
    ):
        await there.join("lobby")
        await here.join("lobby")
        sent = await here.send("lobby", "for this installation alone")
        await here.expect("message", seq=sent["seq"])
        await there.expect_nothing("message", seconds=3)
        assert not [
            frame for frame in there.pending_frames("presence") if any(one["name"] == ada.name for one in frame["joined"])
        ]
        asked = stack.exec("redis", "sh", "-c", "REDISCLI_AUTH=$(cat /run/secrets/REDIS_PASSWORD) redis-cli pubsub channels")
        ids = {name.split(":")[1] for name in asked.stdout.split() if name.startswith("hubbub:")}
        assert len(ids) == 2, asked.stdout
