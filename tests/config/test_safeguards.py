"""Guessable keys and debug pages are refused on servers that others can reach."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.safeguards import check_secret_key
from tests.support.server import ROOT, base_environment

pytestmark = pytest.mark.once

GOOD = "8Jm0-tH2vQx_41LrYc9ZpUe6WsKd3BgNaF7iTo5RhXzM"
PUBLIC = {"PUBLIC_URL": "https://chat.example.com"}


def check(tmp_path: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "app" / "manage.py"), "check"]
    env = base_environment() | {"DATA_DIR": str(tmp_path)} | env
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("x", "has 1 characters"),
        (GOOD[:31], "has 31 characters"),
        ("ab" * 30, "repeats a few characters"),
        ("django-insecure-" + GOOD, "is a known example"),
        ("Change-Me" + GOOD, "is a known example"),
    ],
)
def test_guessable_key_is_refused_unshown(key: str, problem: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^SECRET_KEY {problem}") as refused:
        check_secret_key(key)
    assert GOOD not in str(refused.value)


@pytest.mark.parametrize("key", [GOOD, "0123456789abcdef" * 4, "only-for-tests-" + "0a1b2c3d" * 3])
def test_random_key_is_accepted(key: str) -> None:
    check_secret_key(key)


@pytest.mark.parametrize(
    ("env", "code"),
    [
        (PUBLIC, 1),
        ({"DEPLOYMENT": "staging"}, 1),
        ({"DEPLOYMENT": "production"}, 1),
        ({}, 0),
        (PUBLIC | {"DEPLOYMENT": "development"}, 0),
    ],
)
def test_weak_key_is_refused_outside_development(tmp_path: Path, env: dict[str, str], code: int) -> None:
    done = check(tmp_path, env | {"SECRET_KEY": "x"})
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: SECRET_KEY has 1 characters") or not code


@pytest.mark.parametrize(
    ("env", "named"),
    [
        (PUBLIC, "PUBLIC_URL"),
        (PUBLIC | {"DEPLOYMENT": "development"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "http://192.168.0.5:8000"}, "PUBLIC_URL"),
        ({"HOST": "0.0.0.0"}, "HOST"),
        ({"HOST": "::"}, "HOST"),
        ({}, ""),
        ({"HOST": "::1"}, ""),
        ({"PUBLIC_URL": "http://localhost:8000"}, ""),
    ],
)
def test_debug_is_refused_on_public_servers(tmp_path: Path, env: dict[str, str], named: str) -> None:
    done = check(tmp_path, env | {"DEBUG": "1"})
    assert done.returncode == bool(named), done.stderr
    assert done.stderr.startswith(f"error: DEBUG is on and {named} is not this machine") or not named
