"""No page, comment or message has anybody call `docker compose` itself.

It reads compose.yaml alone: its `up` drops TLS and the archive.
"""

import re
import subprocess

import pytest

from tests.support.server import ROOT

pytestmark = pytest.mark.once

BARE = re.compile(
    r"docker[ -]compose(?: +-\S+(?: +[\w./-]+\.yaml)?)* +"
    r"(?:build|cp|create|down|exec|kill|logs|pause|port|ps|pull|restart|rm|run|start|stop|up|watch)\b"
)
# History, and files that no operator reads.
LEFT_OUT = re.compile(r"CHANGELOG\.md|docs/decisions/.*|tests/.*|frontend/.*")


def test_pages_and_messages_call_scripts_compose() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [name for name in listed.stdout.splitlines() if not LEFT_OUT.fullmatch(name) and (ROOT / name).is_file()]
    assert {"README.md", "compose.yaml", "docs/runbooks/scale.md", "scripts/up", "app/ops/doctor/database.py"} <= {*files}
    found = {f"{name}: {command}" for name in files for command in BARE.findall((ROOT / name).read_text(errors="replace"))}
    assert found == set()


@pytest.mark.parametrize(
    "command",
    [
        "docker compose up -d --no-deps --wait nginx",
        "docker compose -f compose.yaml -f compose.tls.yaml up -d nginx",
        "docker compose --profile=load up",
        "docker-compose logs acme",
    ],
)
def test_bare_command_is_found(command: str) -> None:
    assert BARE.search(f"say `{command}` then")
