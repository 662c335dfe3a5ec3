"""The command line names an operator's mistake in one line, without a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port

pytestmark = pytest.mark.once

MANAGE = Path(__file__).resolve().parents[2] / "app" / "manage.py"


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(MANAGE), *arguments]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL"),
        ({"LIMIT_MESSAGES_PER_S": "many"}, "LIMIT_MESSAGES_PER_S"),
        ({"REDIS_URL": "http://x"}, "REDIS_URL"),
    ],
)
def test_a_wrong_setting_is_named(variables: dict[str, str], named: str) -> None:
    answer = manage("check", **variables)
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: ")
    assert named in answer.stderr
    assert "Traceback" not in answer.stderr


# Not even root writes into /proc.
@pytest.mark.parametrize(
    ("command", "variables", "named"),
    [
        ("check", {"DATA_DIR": "/proc"}, "DATA_DIR must name a place"),
        ("check", {"DATA_DIR": "/proc/data"}, "DATA_DIR or DATABASE_URL must name a place"),
        ("check", {"DATA_DIR": "/dev/null"}, "DATA_DIR or DATABASE_URL must name a place"),
        ("migrate", {"DATA_DIR": "/proc", "SECRET_KEY": "x" * 60}, "DATABASE_URL or DATA_DIR says where it is"),
        ("migrate", {"DATABASE_URL": "sqlite:////proc/chat.sqlite3"}, "DATABASE_URL or DATA_DIR says where it is"),
        ("collectstatic", {"STATIC_ROOT": "/proc/static"}, "STATIC_ROOT: /proc/static"),
        ("collectstatic", {"STATIC_ROOT": "/dev/null"}, "STATIC_ROOT: /dev/null"),
    ],
)
def test_place_that_cannot_be_written_to_is_named(tmp_path: Path, command: str, variables: dict[str, str], named: str) -> None:
    own = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "STATIC_ROOT", "SECRET_KEY"), "") | {"DATA_DIR": str(tmp_path)}
    answer = manage(command, *(() if command == "check" else ("--no-input",)), **(own | variables))
    assert answer.returncode == 1, answer.stderr
    assert answer.stderr.splitlines()[-1].startswith("error: ")
    assert named in answer.stderr
    assert "Traceback" not in answer.stderr


def test_absent_database_is_named() -> None:
    url = f"postgres://nobody:nothing@127.0.0.1:{free_port()}/none"
    answer = manage("migrate", "--no-input", DATABASE_URL=url, SECRET_KEY="x" * 60)
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith("error: the database does not answer: ")
    assert "Traceback" not in answer.stderr
