"""install.sh on a server that has nothing yet: twice, then away again."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.stack.stack import Answer, Stack, copy_checkout
from tests.support.ports import free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Stack]:
    """A checkout without .env; what is set is in the options alone."""
    copy_checkout(tmp_path)
    stack = Stack(tmp_path)
    for name in ("HTTP_PORT", "WEB_REPLICAS"):
        del stack.env[name]
    yield stack
    stack.remove()


def install(stack: Stack, *arguments: str) -> Answer:
    command: list[str | Path] = [stack.directory / "install.sh", *arguments]
    return subprocess.run(
        command,
        env=stack.env,
        cwd=stack.directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
        stdin=subprocess.DEVNULL,
    )


def volumes(stack: Stack) -> list[str]:
    mine = f"label=com.docker.compose.project={stack.project}"
    return subprocess.run(
        ["docker", "volume", "ls", "--quiet", "--filter", mine], capture_output=True, text=True, check=True
    ).stdout.split()


def test_server_is_installed_twice_and_removed(server: Stack) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    env = server.directory / ".env"
    dry = install(server, "--address", address, "--admin", "chief", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "Nothing was changed." in dry.stderr
    assert not env.exists()
    assert not server.containers("web")

    asked = install(server)
    assert (asked.returncode, "nobody is here to ask: give --address" in asked.stderr) == (2, True)

    first = install(server, "--address", address, "--admin", "chief")
    assert first.returncode == 0, first.stderr
    made = re.search(r"The password of chief, shown this once: (\S+)", first.stderr)
    assert made
    assert f"PUBLIC_URL={address}\n" in env.read_text()
    credentials = {"username": "chief", "password": made[1]}
    token = httpx.post(f"{address}/api/token", json=credentials, timeout=20).json()["token"]
    before, containers = env.read_text(), [one["Id"] for one in server.containers("web")]

    again = install(server, "--admin", "chief")
    assert again.returncode == 0, again.stderr
    assert "chief is there already" in again.stderr
    assert "shown this once" not in again.stderr
    assert env.read_text() == before
    assert [one["Id"] for one in server.containers("web")] == containers
    assert made[1] not in server.logs("web")

    assert install(server, "--uninstall").returncode == 0
    assert not server.containers("web")
    assert volumes(server)
    assert install(server, "--address", address, "--admin", "chief").returncode == 0
    headers = {"Authorization": f"Token {token}"}
    assert httpx.get(f"{address}/api/rooms", headers=headers, timeout=20).status_code == 200, "the data is back"

    assert install(server, "--uninstall", "--delete-data").returncode == 0
    assert not volumes(server)
    assert not env.exists()
