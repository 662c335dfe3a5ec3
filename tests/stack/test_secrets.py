"""Secrets of .env reach the containers as files.

`docker inspect`, images, process lists and compose's output show none.
"""

import json
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.notifications.vapid import make_pair
from tests.stack.rolling import docker, identities
from tests.stack.stack import SERVICES, Stack, copy_checkout

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

FILES = ("compose.yaml", "compose.archive.yaml", "compose.loadtest.yaml", "compose.observability.yaml")
PROFILES = ("--profile", "loadtest", "--profile", "observability")
# Of each of compose's services, by the secrets whose change replaces it.
APP = {"web", "worker", "migrate", "loadtest-seed"}
REPLACED = {
    "SECRET_KEY": APP,
    "SECRET_KEY_FALLBACKS": APP,
    "DATABASE_PASSWORD_FALLBACK": APP,
    "REPLICA_URL": APP,
    "EMAIL_URL": APP,
    "VAPID_PRIVATE_KEY": APP,
    "OTEL_EXPORTER_OTLP_HEADERS": APP,
    "POSTGRES_PASSWORD": APP,
    "POSTGRES_OWNER_PASSWORD": {"migrate", "loadtest-seed"},
    "REDIS_PASSWORD": APP | {"redis"},
    "ARCHIVE_CIPHER_PASS": {"postgres"},
    "ALERTS_URL": {"alertmanager"},
}


def made_up() -> dict[str, str]:
    """Return a value for each secret of .env."""
    values = {name: secrets.token_urlsafe(40) for name in REPLACED}
    values["VAPID_PRIVATE_KEY"] = make_pair()[0]
    values["OTEL_EXPORTER_OTLP_HEADERS"] = f"Authorization={values['OTEL_EXPORTER_OTLP_HEADERS']}"
    values["EMAIL_URL"] = f"smtp://chat:{values['EMAIL_URL']}@mail.invalid:587"
    values["REPLICA_URL"] = f"postgres://hubbub:{values['REPLICA_URL']}@replica.invalid:5432/hubbub"
    values["ALERTS_URL"] = f"http://127.0.0.1:8080/api/hooks/{values['ALERTS_URL']}"
    return values


def write_env(stack: Stack, values: dict[str, str]) -> None:
    (stack.directory / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))


def read_env(stack: Stack) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)='(.*)'$", (stack.directory / ".env").read_text(), re.MULTILINE))


def shown(text: str, values: dict[str, str]) -> list[str]:
    """Return the names of the secrets whose random part is in the text."""
    return [name for name, value in values.items() if re.findall(r"[\w-]{40,}", value)[0] in text]


def write_files(stack: Stack) -> None:
    answer = stack.script("up", "--secrets", timeout=60)
    assert answer.returncode == 0, answer.stderr


@pytest.fixture
def idle(tmp_path: Path) -> Stack:
    """A separate checkout with every secret set, and a stack that is never started."""
    copy_checkout(tmp_path)
    stack = Stack(tmp_path)
    write_env(stack, made_up())
    return stack


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, dict[str, str]]]:
    """Start a stack with an encrypted archive and every secret set.

    The second value is these secrets.
    """
    directory = tmp_path_factory.mktemp("sealed")
    copy_checkout(directory)
    stack, values = Stack(directory), made_up()
    stack.env |= {"ARCHIVE_DAYS": "2", "WEB_REPLICAS": "1", "EMAIL_FROM": "Hubbub <hubbub@example.org>"}
    write_env(stack, values)
    try:
        stack.up()
        yield stack, values
    finally:
        stack.remove()
        docker("image", "rm", "--force", f"{stack.project}-archive:{stack.project}")


def test_no_secret_is_in_the_output_of_docker(sealed: tuple[Stack, dict[str, str]]) -> None:
    stack, values = sealed
    planted = json.dumps([values["REDIS_PASSWORD"], {"A": values["ALERTS_URL"]}])
    assert shown(planted, values) == ["REDIS_PASSWORD", "ALERTS_URL"], "a secret would be found"
    containers = [one for service in SERVICES for one in stack.containers(service)]
    assert {one["Config"]["Labels"]["com.docker.compose.service"] for one in containers} == set(SERVICES)
    assert shown(json.dumps(containers), values) == []
    for image in sorted({str(one["Image"]) for one in containers}):
        assert shown(docker("history", "--no-trunc", image) + docker("image", "inspect", image), values) == []
    for one in containers:
        if one["State"]["Running"]:
            assert shown(docker("top", one["Id"], "-eo", "pid,args"), values) == []
    logs = "".join(stack.logs(service) for service in SERVICES)
    assert shown(logs, values) == []


def test_no_secret_is_in_the_output_of_compose(idle: Stack) -> None:
    write_files(idle)
    values = read_env(idle)
    assert set(values) == set(REPLACED)
    files = [part for name in FILES for part in ("--file", name)]
    for form in ("yaml", "json"):
        answer = idle.compose(*files, *PROFILES, "config", "--format", form)
        assert answer.returncode == 0, answer.stderr
        assert shown(answer.stdout, values) == []


def test_containers_read_their_own_secrets(sealed: tuple[Stack, dict[str, str]]) -> None:
    stack, values = sealed
    print_settings = (
        "from django.conf import settings as s; import json; print(json.dumps([s.SECRET_KEY, s.SECRET_KEY_FALLBACKS[0],"
        " *s.DATABASES['default']['PASSWORDS'].in_turn(), s.DATABASES['replica']['PASSWORD'], s.EMAIL_URL, s.VAPID_PRIVATE_KEY,"
        " s.TRACES_HEADERS]))"
    )
    for service in ("web", "worker"):
        answer = stack.exec(service, "python", "app/manage.py", "shell", "-c", print_settings)
        read = json.loads(answer.stdout.splitlines()[-1])
        others = {"POSTGRES_OWNER_PASSWORD", "REDIS_PASSWORD", "ARCHIVE_CIPHER_PASS", "ALERTS_URL"}
        assert shown(json.dumps(read), values) == [name for name in values if name not in others]
        mounted = stack.exec(service, "sh", "-c", "cat /run/secrets/*").stdout
        assert not {"POSTGRES_OWNER_PASSWORD", "ARCHIVE_CIPHER_PASS", "ALERTS_URL"} & set(shown(mounted, values)), service
    assert stack.exec("nginx", "ls", "/run/secrets").returncode != 0
    assert "NOAUTH" in stack.exec("redis", "redis-cli", "ping").stdout


def test_encrypted_archive_takes_a_backup(sealed: tuple[Stack, dict[str, str]]) -> None:
    stack, _ = sealed
    answer = stack.script("archive", timeout=300)
    assert answer.returncode == 0, answer.stderr
    assert "cipher: aes-256-cbc" in answer.stdout
    # What lies there cannot be read without the secret.
    without = stack.exec("postgres", "pgbackrest", "--config-include-path=/tmp", "info")
    assert without.returncode != 0


@pytest.mark.drill
def test_roll_replaces_the_containers_of_a_changed_secret(sealed: tuple[Stack, dict[str, str]]) -> None:
    stack, values = sealed
    before = {service: identities(stack, service) for service in ("nginx", "web", "worker", "redis", "postgres")}
    same = stack.script("roll")
    assert (same.returncode, "were up to date" in same.stderr) == (0, True), same.stderr
    values["EMAIL_URL"] = made_up()["EMAIL_URL"]
    write_env(stack, values)
    answer = stack.script("roll")
    assert answer.returncode == 0, answer.stderr
    after = {service: identities(stack, service) for service in before}
    assert {service for service in before if before[service] != after[service]} == {"web", "worker"}
    for service in ("web", "worker"):
        assert stack.exec(service, "cat", "/run/secrets/EMAIL_URL").stdout == values["EMAIL_URL"]
    # compose would replace nothing.
    assert stack.compose("--file", FILES[0], "--file", FILES[1], "up", "--detach", "--no-build", timeout=180).returncode == 0
    assert {service: identities(stack, service) for service in before} == after


def test_files_are_for_the_owner_only(idle: Stack) -> None:
    write_files(idle)
    directory = idle.directory / "var" / "secrets"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()} == {0o444, 0o600}
    ignored = (Path(__file__).resolve().parents[2] / ".gitignore").read_text().splitlines()
    assert "var/" in ignored
    # The images are built from a list of what may get in.
    listed = (idle.directory / ".dockerignore").read_text().splitlines()
    assert "*" in listed
    assert not [line for line in listed if line.startswith("!var")]


def hashes(stack: Stack) -> dict[str, str]:
    """Return what compose compares for each service."""
    files = [part for name in FILES for part in ("--file", name)]
    answer = stack.compose(*files, *PROFILES, "config", "--hash", "*")
    assert answer.returncode == 0, answer.stderr
    return dict(line.split() for line in answer.stdout.splitlines())


@pytest.mark.parametrize("name", REPLACED)
def test_changed_secret_changes_the_services_that_read_it(idle: Stack, name: str) -> None:
    write_files(idle)
    before = hashes(idle)
    write_files(idle)
    assert hashes(idle) == before
    write_env(idle, read_env(idle) | {name: made_up()[name]})
    write_files(idle)
    after = hashes(idle)
    assert {service for service in before if before[service] != after[service]} == REPLACED[name]


def test_environment_wins_over_env(idle: Stack) -> None:
    idle.env["SECRET_KEY"] = "of-the-environment"
    write_files(idle)
    assert (idle.directory / "var" / "secrets" / "SECRET_KEY").read_text() == "of-the-environment"


def test_interrupted_write_is_noticed(idle: Stack) -> None:
    """A secret that differs from the written one makes a new version.

    This holds when its version was written before, too.
    """
    write_files(idle)
    before = hashes(idle)
    (idle.directory / "var" / "secrets" / "EMAIL_URL").unlink()
    write_files(idle)
    after = hashes(idle)
    assert {service for service in before if before[service] != after[service]} == APP


def test_compose_alone_names_make_up(idle: Stack) -> None:
    for command in (["up", "--detach"], ["config", "--quiet"]):
        answer = idle.compose(*command)
        assert answer.returncode != 0
        assert "made-by-make-up.yaml: no such file" in answer.stderr
        assert shown(answer.stdout + answer.stderr, read_env(idle)) == []
