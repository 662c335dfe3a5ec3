"""Two scripts that change .env or the stack do not run at once in one checkout."""

import fcntl
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.scripts.conftest import Checkout

pytestmark = pytest.mark.once

UNDER_WAY = "is under way here: wait for its end"


@pytest.mark.parametrize(
    "command", [("rotate-secret", "SECRET_KEY"), ("set", "LIMIT_UNSENT_MB=32"), ("up",), ("up", "--env")], ids=" ".join
)
def test_second_script_is_refused(faked: Checkout, command: tuple[str, ...]) -> None:
    lock = faked.directory / "var" / "change.lock"
    lock.parent.mkdir()
    before = faked.env_file.read_text()
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = faked.script(*command)
        assert (done.returncode, UNDER_WAY in done.stderr) == (1, True), done.stderr
        assert faked.env_file.read_text() == before
        assert faked.rolls() == []
    assert UNDER_WAY not in faked.script(*command).stderr


def test_script_called_by_the_one_that_runs_goes_on(faked: Checkout) -> None:
    """As `make restore` calls scripts/up."""
    lock = faked.directory / "var" / "change.lock"
    (faked.directory / "scripts" / "roll").write_text('#!/bin/sh\nexec "$(dirname "$0")/set" LIMIT_UNSENT_MB=32\n')
    done = faked.script("rotate-secret", "SECRET_KEY")
    assert done.returncode == 0, done.stderr
    assert faked.setting("LIMIT_UNSENT_MB") == "32"
    assert lock.exists()


def test_first_start_twice_at_once_makes_one_env(faked: Checkout) -> None:
    """Two sets of secrets in one file would lock the stack out of its database."""
    faked.env_file.unlink()
    command: list[str | Path] = [faked.directory / "scripts" / "up", "--env"]
    env = {"PATH": f"{faked.directory / 'bin'}:{os.environ['PATH']}"}

    def start(_: int) -> str:
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60).stderr

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(start, range(8)))
    assert sum("Made .env" in one for one in said) == 1
    assert not Path(f"{faked.env_file}.new").exists()
    assert all(one == "" or "Made .env" in one or UNDER_WAY in one for one in said), said
