"""`make doctor` on the stack: from the web container through nginx."""

import json
from pathlib import Path

import pytest

from tests.stack.stack import Stack, copy_checkout

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.mark.drill
def test_doctor_finds_the_stack_sound_and_names_a_lost_redis(restored: Stack) -> None:
    sound = restored.script("doctor", "--json")
    report = json.loads(sound.stdout)
    assert sound.returncode == 0, report
    assert {one["check"] for one in report["findings"]} >= {"database", "redis", "server", "address", "socket", "disk", "workers"}
    assert any(one["text"].startswith("postgres: ") for one in report["findings"])
    restored.compose("stop", "redis")
    lost = restored.script("doctor", "redis")
    assert lost.returncode == 1
    assert "→ REDIS_URL, or docs/runbooks/redis-lost.md" in lost.stdout


def test_doctor_names_an_unreadable_env_file(tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    (tmp_path / ".env").write_text('SECRET_KEY="lovelace\n')
    done = Stack(tmp_path).script("doctor", timeout=60)
    assert done.returncode == 1
    assert ".env: line 2: unterminated quoted value" in done.stderr
    assert "lovelace" not in done.stdout + done.stderr
