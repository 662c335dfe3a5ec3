"""install.sh on a server that has nothing yet: twice, then away again."""

import asyncio
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.stack.rolling import docker
from tests.stack.stack import Answer, Stack, copy_checkout, tls_files
from tests.support.chat_client import sign_up
from tests.support.ports import free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Stack]:
    """A checkout without .env; what is set is in the options alone.

    Its path is none that a program would choose, and it was cloned with umask 077.
    """
    directory = tmp_path / "the team's Büro"
    directory.mkdir()
    copy_checkout(directory)
    subprocess.run(["chmod", "--recursive", "go-rwx", directory], check=True)
    stack = Stack(directory)
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


def test_refused_administrator_starts_nothing(server: Stack) -> None:
    """By the rules of the app, in a container of the built image."""
    asked = ("--address", f"http://127.0.0.1:{server.port}", "--admin")
    for name, says in (("room", "keeps that name"), ("\u0430dmin", "choose another name")):
        done = install(server, *asked, name)
        assert (done.returncode, says in done.stderr) == (1, True), done.stderr
        assert "choose another name for the administrator; nothing was started" in done.stderr
        assert docker("ps", "--all", "--quiet", f"--filter=label=com.docker.compose.project={server.project}") == ""


@pytest.fixture
def idle(tmp_path: Path) -> Stack:
    """A checkout whose stack is never started: no image can be pulled from there."""
    copy_checkout(tmp_path)
    stack = Stack(tmp_path)
    for name in ("HTTP_PORT", "WEB_REPLICAS"):
        del stack.env[name]
    stack.env["IMAGE_PREFIX"] = f"127.0.0.1:{free_port()}/none"
    return stack


def lines(stack: Stack) -> dict[str, str]:
    kept = [line for line in (stack.directory / ".env").read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in kept)


def pull_fails(stack: Stack, *arguments: str) -> dict[str, str]:
    """Install up to the images; return the settings that are in .env then."""
    done = install(stack, *arguments)
    assert done.returncode == 1, done.stderr
    assert "the images could not be pulled" in done.stderr
    return lines(stack)


def test_dry_run_says_what_a_certificate_by_acme_takes(idle: Stack) -> None:
    port = free_port()
    asked = ("--address", f"https://chat.example.com:{port}", "--admin", "chief", "--acme", "ada@example.com", "--dry-run")
    dry = install(idle, *asked)
    assert dry.returncode == 0, dry.stderr
    said = re.findall(r"^would set: (.*)$", dry.stderr, re.MULTILINE)
    assert said == [
        f"PUBLIC_URL=https://chat.example.com:{port}",
        "HTTP_BIND=0.0.0.0",
        "ACME_EMAIL=ada@example.com",
        f"HTTPS_PORT={port}",
        "HTTP_PORT=80",
    ]
    assert "would run: scripts/up --env" in dry.stderr
    assert "Nothing was changed." in dry.stderr
    assert not (idle.directory / ".env").exists()
    assert not (idle.directory / "var").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--address", "chat.example.com"], "is no address of the form"),
        (["--address", "https://ada@chat.example.com"], "is no address of the form"),
        (["--address", "https://chat.example.com/chat"], "is no address of the form"),
        (["--address", "https://chat.example.com:99999"], "99999 in https://chat.example.com:99999 is no port"),
        (["--address", "http://chat.example.com", "--acme", "a@b.example"], "--acme is for an https address"),
        (["--address", "https://localhost", "--acme", "a@b.example"], "--acme needs a public name"),
        (["--address", "https://192.0.2.1:8443", "--acme", "a@b.example"], "--acme needs a public name"),
        (["--address", "https://[2001:db8::1]:8443", "--acme", "a@b.example"], "--acme needs a public name"),
    ],
)
def test_impossible_address_is_refused_before_anything_is_done(idle: Stack, arguments: list[str], says: str) -> None:
    done = install(idle, *arguments, "--admin", "chief")
    assert (done.returncode, says in done.stderr) == (1, True), done.stderr
    assert not (idle.directory / ".env").exists()


def test_certificate_comes_one_way_whatever_was_before(idle: Stack, tmp_path: Path) -> None:
    port = free_port()
    address = ("--address", f"https://chat.example.com:{port}", "--admin", "chief")
    (tmp_path / "a folder").mkdir()
    files = tls_files(tmp_path / "a folder")
    ways = {
        "acme": ("--acme", "ada@example.com"),
        "files": ("--certificate", files["TLS_CERTIFICATE"], "--key", files["TLS_KEY"]),
    }
    for way in ("acme", "files", "acme"):
        found = pull_fails(idle, *address, *ways[way])
        assert (found.get("ACME_EMAIL", "") == "ada@example.com") == (way == "acme")
        assert (found.get("TLS_CERTIFICATE", "") == f"'{files['TLS_CERTIFICATE']}'") == (way == "files")
        assert found["HTTPS_PORT"] == str(port)
    local = pull_fails(idle, "--address", f"http://127.0.0.1:{port}", "--admin", "chief")
    assert (local["ACME_EMAIL"], local["TLS_CERTIFICATE"], local["HTTP_PORT"]) == ("", "", str(port))


def test_repeated_install_leaves_what_its_operator_changed(idle: Stack) -> None:
    """The operator has a proxy on another machine, which needs an address and port."""
    before = pull_fails(idle, "--address", "https://chat.example.com", "--admin", "chief")
    assert (before["HTTP_BIND"], before["HTTP_PORT"]) == ("127.0.0.1", "8080")
    env = idle.directory / ".env"
    env.write_text(re.sub(r"^HTTP_BIND=.*$", "HTTP_BIND=127.0.0.2", env.read_text(), flags=re.MULTILINE))
    changed = env.read_text()
    assert pull_fails(idle, "--admin", "chief")["HTTP_BIND"] == "127.0.0.2"
    assert env.read_text() == changed


def test_deleted_data_includes_what_is_turned_off_by_now(idle: Stack) -> None:
    """An archive holds everybody's messages, so it is deleted, too.

    Compose no longer knows of it once ARCHIVE_DAYS is gone.
    """
    for name in ("archive", "acme-account"):
        docker("volume", "create", "--label", f"com.docker.compose.project={idle.project}", f"{idle.project}_{name}")
    other = f"{idle.project}-another_archive"
    docker("volume", "create", "--label", f"com.docker.compose.project={idle.project}-another", other)
    try:
        dry = install(idle, "--uninstall", "--delete-data", "--dry-run")
        assert "would run: scripts/clean --yes" in dry.stderr
        assert len(volumes(idle)) == 2
        done = install(idle, "--uninstall", "--delete-data")
        assert done.returncode == 0, done.stderr
        assert volumes(idle) == []
        assert "Backups are not touched" in done.stderr
        assert docker("volume", "ls", "--quiet", "--filter", f"name={other}").split() == [other]
    finally:
        docker("volume", "rm", other)


def volumes(stack: Stack) -> list[str]:
    mine = f"label=com.docker.compose.project={stack.project}"
    return subprocess.run(
        ["docker", "volume", "ls", "--quiet", "--filter", mine], capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.drill
def test_server_is_installed_twice_and_removed(server: Stack) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    env = server.directory / ".env"
    dry = install(server, "--address", address, "--admin", "chief", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "Nothing was changed." in dry.stderr
    assert not env.exists()
    assert not server.containers("web")

    asked = install(server)
    assert (asked.returncode, "cannot ask without a terminal: give --address" in asked.stderr) == (2, True)

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
    asyncio.run(sign_up(address, "somebody"))
    other = install(server, "--admin", "somebody")
    assert (other.returncode, "is no administrator: choose another name" in other.stderr) == (1, True), other.stderr

    assert install(server, "--uninstall").returncode == 0
    assert not server.containers("web")
    assert volumes(server)
    assert install(server, "--address", address, "--admin", "chief").returncode == 0
    headers = {"Authorization": f"Token {token}"}
    assert httpx.get(f"{address}/api/rooms", headers=headers, timeout=20).status_code == 200, "the data is back"

    assert install(server, "--uninstall", "--delete-data").returncode == 0
    assert not volumes(server)
    assert not env.exists()
