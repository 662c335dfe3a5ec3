"""The scripts read each line of .env as compose does."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.stack.stack import Stack, copy_checkout

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SECRETS = "SECRET_KEY=a\nPOSTGRES_PASSWORD=b\nREDIS_PASSWORD=c\n"
READ = """
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/stack.sh
read_settings
write_secrets
printf "%s" "$(set_value DRAIN_SECONDS)"
"""
LINES = {
    "DRAIN_SECONDS=30": "30",
    'DRAIN_SECONDS="30" # half a minute': "30",
    "DRAIN_SECONDS='30' # half a minute": "30",
    "DRAIN_SECONDS=30 # half a minute": "30",
    "DRAIN_SECONDS=30#": "30#",
    "export DRAIN_SECONDS=30": "30",
    " DRAIN_SECONDS = 30 ": "30",
    "DRAIN_SECONDS: 30": "30",
    "DRAIN_SECONDS=30\r": "30",
    "DRAIN_SECONDS=20\nDRAIN_SECONDS=30": "30",
    "#DRAIN_SECONDS=20": "",
    "DRAIN_SECONDS=": "",
    "HALF=30\nDRAIN_SECONDS=${HALF}": "30",
    "HALF=30\nDRAIN_SECONDS='$HALF'": "$HALF",
    "DRAIN_SECONDS=${NONE:-30}": "30",
    'DRAIN_SECONDS="a\\"b\\\\c<&>"': 'a"b\\c<&>',
    "DRAIN_SECONDS=half a minute": "half a minute",
}


@pytest.fixture
def idle(tmp_path: Path) -> Stack:
    """A separate checkout with a stack that is never started."""
    copy_checkout(tmp_path)
    stack = Stack(tmp_path)
    del stack.env["DRAIN_SECONDS"]
    return stack


def of_scripts(stack: Stack, **env: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-c", READ]
    return subprocess.run(
        command, env=stack.env | env, cwd=stack.directory, capture_output=True, text=True, timeout=30, check=False
    )


def of_compose(stack: Stack, **env: str) -> str:
    """Return web's DRAIN_SECONDS from compose.yaml."""
    answer = stack.compose("config", "--no-normalize", env=env)
    assert answer.returncode == 0, answer.stderr
    value = yaml.safe_load(answer.stdout)["services"]["web"]["environment"]["DRAIN_SECONDS"]
    return str(value or "").replace("$$", "$")


@pytest.mark.parametrize("line", LINES, ids=ascii)
def test_scripts_read_a_line_as_compose_does(idle: Stack, line: str) -> None:
    # Docker's grace period follows from the same value and must be a number.
    compose = idle.directory / "compose.yaml"
    compose.write_text(compose.read_text().replace("${DRAIN_SECONDS:-25}s10000ms", "35s"))
    (idle.directory / ".env").write_text(SECRETS + line + "\n", newline="")
    answer = of_scripts(idle)
    assert answer.stdout == LINES[line], answer.stderr
    assert of_compose(idle) == LINES[line]


def test_environment_overrides_the_file_for_scripts(idle: Stack) -> None:
    (idle.directory / ".env").write_text(SECRETS + "DRAIN_SECONDS=20\n")
    assert of_scripts(idle, DRAIN_SECONDS="30").stdout == of_compose(idle, DRAIN_SECONDS="30") == "30"


def test_line_that_cannot_be_read_is_named_without_its_value(idle: Stack) -> None:
    (idle.directory / ".env").write_text('SECRET_KEY="lovelace\n')
    answer = of_scripts(idle)
    assert answer.returncode == 1
    assert ".env: line 2: unterminated quoted value" in answer.stderr
    assert "lovelace" not in answer.stdout + answer.stderr
