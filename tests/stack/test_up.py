"""`make up` prints the address, makes .env once, and names errors early."""

import re
import shutil
import socket
import stat
from pathlib import Path

import pytest
import yaml

from tests.stack.stack import Stack, copy_checkout

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

SECRETS = ("SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD")


@pytest.fixture
def idle(tmp_path: Path) -> Stack:
    """A separate checkout with a stack that is never started."""
    copy_checkout(tmp_path)
    return Stack(tmp_path)


def write_env(stack: Stack, text: str) -> None:
    (stack.directory / ".env").write_text(text)


def write_secrets(stack: Stack) -> None:
    answer = stack.script("up", "--secrets", timeout=60)
    assert answer.returncode == 0, answer.stderr


def test_up_prints_its_address_and_how_to_sign_up(stack: Stack) -> None:
    assert f"Hubbub is up at {stack.url}\n" in stack.greeting
    assert f"Sign up at {stack.url}/accounts/sign-up/" in stack.greeting


def test_first_run_makes_secrets_readable_by_the_owner_only(stack: Stack) -> None:
    env = stack.directory / ".env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    made = dict(re.findall(r"^([A-Z_]+)=(.*)$", env.read_text(), re.MULTILINE))
    assert set(made) == {*SECRETS, "POSTGRES_OWNER_PASSWORD"}
    assert all(re.fullmatch(r"[A-Za-z0-9]{43}", secret) for secret in made.values())
    assert len(set(made.values())) == len(made)


def test_second_run_changes_and_restarts_nothing(stack: Stack) -> None:
    env = stack.directory / ".env"
    before = (env.read_text(), env.stat().st_mtime_ns, [one["Id"] for one in stack.containers("web")])
    stack.up()
    assert (env.read_text(), env.stat().st_mtime_ns, [one["Id"] for one in stack.containers("web")]) == before


@pytest.mark.drill
def test_failed_migration_leaves_what_serves(stack: Stack) -> None:
    env, override = stack.directory / ".env", stack.directory / "compose.override.yaml"
    kept, before = env.read_text(), [one["Id"] for one in stack.containers("web")]
    try:
        env.write_text(f"{kept}LIMIT_ROOMS_PER_H=61\n")  # new web containers are wanted
        override.write_text("services: {migrate: {command: [python, app/manage.py, migrate, --database, none]}}\n")
        answer = stack.script("up")
        assert answer.returncode != 0
        assert "the migrations did not succeed" in answer.stderr
        assert [one["Id"] for one in stack.containers("web")] == before
        stack.wait_ready(10)
    finally:
        env.write_text(kept)
        override.unlink()


def test_names_in_env_are_checked_against_the_table(stack: Stack) -> None:
    env = stack.directory / ".env"
    kept = env.read_bytes()
    try:
        env.write_bytes(kept + b"\nSIGNUP_OPNE=false\n")
        assert "SIGNUP_OPNE is not a setting of Hubbub; did you mean SIGNUP_OPEN?" in stack.script("up").stderr
        env.write_bytes(kept + b"\nWORKERS=3\n")
        refused = stack.script("up")
        assert refused.returncode != 0
        assert "WORKERS is now WEB_CONCURRENCY" in refused.stderr
    finally:
        env.write_bytes(kept)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ("SECRET_KEY=abc\n#REDIS_PASSWORD=x\n", ".env lacks POSTGRES_PASSWORD REDIS_PASSWORD"),
        ("SECRET_KEY=\nPOSTGRES_PASSWORD=a\nREDIS_PASSWORD=b\n", ".env lacks SECRET_KEY"),
        ("SECRET_KEY=a\nPOSTGRES_PASSWORD=p@ss\nREDIS_PASSWORD=b\n", "POSTGRES_PASSWORD may hold letters, digits and"),
        ("SECRET_KEY=a\nPOSTGRES_PASSWORD=b\nREDIS_PASSWORD=c\nDRAIN_SECONDS=30s\n", "DRAIN_SECONDS must be whole seconds from"),
        ("SECRET_KEY=a\nPOSTGRES_PASSWORD=b\nREDIS_PASSWORD=c\nDRAIN_SECONDS=3601\n", "DRAIN_SECONDS must be whole seconds from"),
        ("SECRET_KEY=a\nPOSTGRES_PASSWORD=b\nREDIS_PASSWORD=c\nWEB_REPLICAS=0\n", "WEB_REPLICAS must be a whole number from"),
        ("SECRET_KEY=a\nPOSTGRES_PASSWORD=b\nREDIS_PASSWORD=c\nHTTPS_PORT=65536\n", "HTTPS_PORT must be a port from 1 to 65535"),
        ("SECRET_KEY=a\nPOSTGRES_PASSWORD=b\nREDIS_PASSWORD=c\nHTTP_BIND=127.0.0.2\n", "set it to the address people open"),
        ("SECRET_KEY=a\nPOSTGRES_PASSWORD=b\nREDIS_PASSWORD=c\nHTTP_BIND=::1\n", "an IPv6 address stands in brackets, [::1]"),
        ("SECRET_KEY=a\nPOSTGRES_PASSWORD=b\nREDIS_PASSWORD=c\nTLS_KEY=/k\n", "TLS_KEY is set, TLS_CERTIFICATE is not"),
        ("SECRET_KEY=a\nPOSTGRES_PASSWORD=b\nREDIS_PASSWORD=c\nTLS_KEY=/k\nTLS_CERTIFICATE=/c\n", "there is no file /c"),
        ("SECRET_KEY=a\nPOSTGRES_PASSWORD=b\nREDIS_PASSWORD=c\nACME_EMAIL=a@b.example\n", "PUBLIC_URL must be the https address"),
    ],
)
def test_wrong_env_is_refused_and_unchanged(idle: Stack, env: str, message: str) -> None:
    write_env(idle, env)
    del idle.env["DRAIN_SECONDS"], idle.env["WEB_REPLICAS"]
    answer = idle.script("up", timeout=60)
    assert answer.returncode != 0
    assert message in answer.stderr
    assert "Building" not in answer.stderr
    assert (idle.directory / ".env").read_text() == env


def test_a_port_in_use_is_named_before_anything_starts(idle: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = idle.script("up", env=idle.env | {"HTTP_PORT": str(port)}, timeout=60)
    assert answer.returncode != 0
    assert f"port {port} is in use" in answer.stderr
    assert f"HTTP_PORT={port + 1} make up" in answer.stderr
    assert "Building" not in answer.stderr


def test_environment_overrides_env(idle: Stack) -> None:
    write_env(idle, "SECRET_KEY=a\nPOSTGRES_PASSWORD=b\nREDIS_PASSWORD=c\nHTTP_PORT=1234\n")
    write_secrets(idle)
    config = idle.compose("config").stdout
    assert f'published: "{idle.port}"' in config
    assert f"PUBLIC_URL: http://127.0.0.1:{idle.port}\n" in config
    del idle.env["HTTP_PORT"]
    config = idle.compose("config").stdout
    assert 'published: "1234"' in config
    assert "PUBLIC_URL: http://127.0.0.1:1234\n" in config
    config = idle.compose("config", env={"PUBLIC_URL": "https://chat.example"}).stdout
    assert "PUBLIC_URL: https://chat.example\n" in config


def test_grace_period_of_every_container_follows_from_drain(idle: Stack) -> None:
    write_env(idle, "SECRET_KEY=a\nPOSTGRES_PASSWORD=b\nREDIS_PASSWORD=c\n")
    write_secrets(idle)
    del idle.env["DRAIN_SECONDS"]
    for drain, grace in (({}, "35s"), ({"DRAIN_SECONDS": "60"}, "1m10s"), ({"DRAIN_SECONDS": "3600"}, "1h0m10s")):
        config = yaml.safe_load(idle.compose("config", env=drain).stdout)["services"]
        assert {config[service]["stop_grace_period"] for service in ("nginx", "web", "worker")} == {grace}


def test_missing_docker_is_reported(idle: Stack, tmp_path_factory: pytest.TempPathFactory) -> None:
    tools = tmp_path_factory.mktemp("tools")
    for name in ("bash", "dirname", "basename", "env", "sed", "cat"):
        (tools / name).symlink_to(shutil.which(name) or name)
    answer = idle.script("up", env={"PATH": str(tools)}, timeout=60)
    assert answer.returncode != 0
    assert "docker is not installed" in answer.stderr
    assert not (idle.directory / ".env").exists()


def test_missing_engine_is_reported(idle: Stack) -> None:
    answer = idle.script("up", env=idle.env | {"DOCKER_HOST": "unix:///nowhere.sock"}, timeout=60)
    assert answer.returncode != 0
    assert "cannot talk to the Docker engine" in answer.stderr


def test_clean_asks_for_confirmation(stack: Stack) -> None:
    for said in ("", "no\n", "y\n"):
        answer = stack.script("clean", input=said, timeout=60)
        assert answer.returncode != 0
        assert stack.project in answer.stderr
        assert "nothing was deleted" in answer.stderr
    assert len(stack.containers("web")) == 2
    assert (stack.directory / ".env").exists()
