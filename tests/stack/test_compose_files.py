"""scripts/compose reads the files that .env asks for, and no others."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.stack.stack import Stack, copy_checkout, tls_files

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

OVERRIDE = "services: {nginx: {labels: {of: the-operator}}}\n"


@pytest.fixture
def idle(tmp_path: Path) -> Stack:
    """A separate checkout with a stack that is never started."""
    copy_checkout(tmp_path)
    stack = Stack(tmp_path)
    stack.env |= {"SECRET_KEY": "a", "POSTGRES_PASSWORD": "b", "REDIS_PASSWORD": "c"}
    return stack


def services(stack: Stack, *options: str, **env: str) -> dict[str, Any]:
    done = stack.script("compose", *options, "config", "--format", "json", env=stack.env | env, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


def ports(stack: Stack, **env: str) -> set[int]:
    return {one["target"] for one in services(stack, **env)["nginx"]["ports"]}


def test_files_of_tls_and_acme_follow_the_settings(idle: Stack, tmp_path: Path) -> None:
    assert ports(idle) == {8080}
    assert ports(idle, **tls_files(tmp_path)) == {8080, 8443}
    of_acme = {"ACME_EMAIL": "ada@example.com", "PUBLIC_URL": "https://chat.example.com"}
    assert ports(idle, **of_acme) == {8080, 8443}
    assert "acme" in services(idle, **of_acme)


def test_files_of_archive_and_observability_follow_the_settings(idle: Stack) -> None:
    assert services(idle)["postgres"]["image"] == "postgres:17"
    assert "-archive:" in services(idle, ARCHIVE_DAYS="7")["postgres"]["image"]
    assert "prometheus" in services(idle, COMPOSE_PROFILES="observability")


def test_operators_file_and_further_files_are_added(idle: Stack, tmp_path: Path) -> None:
    (idle.directory / "compose.override.yaml").write_text(OVERRIDE)
    found = services(idle, "-f", "compose.loadtest.yaml", "--profile", "loadtest", **tls_files(tmp_path))
    assert found["nginx"]["labels"]["of"] == "the-operator"
    assert {one["target"] for one in found["nginx"]["ports"]} == {8080, 8443}
    assert "loadtest-master" in found


def test_settings_of_the_env_file_count(idle: Stack) -> None:
    (idle.directory / ".env").write_text("ARCHIVE_DAYS=7\n")
    assert "-archive:" in services(idle)["postgres"]["image"]


def test_exit_code_is_that_of_compose(idle: Stack) -> None:
    done = idle.script("compose", "nonsense", timeout=60)
    assert done.returncode != 0
    assert "nonsense" in done.stderr
