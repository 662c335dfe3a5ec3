"""The next run removes the directories and databases of a killed run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.leftovers import own_directory, remove_leftovers

pytestmark = pytest.mark.once


@pytest.fixture
def dead() -> int:
    """The id of an ended process."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(30)
    return process.pid


def test_directories_of_a_killed_run_are_removed(tmp_path: Path, dead: int) -> None:
    left = tmp_path / f"hubbub-postgres-{dead}-abc"
    (left / "data").mkdir(parents=True)
    kept = [tmp_path / f"hubbub-postgres-{os.getpid()}-abc", tmp_path / f"hubbub-{dead}-abc", tmp_path / f"other-x-{dead}-abc"]
    for directory in kept:
        directory.mkdir()
    assert remove_leftovers(tmp_path) == [left]
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_server_left_in_a_directory_is_ended(tmp_path: Path, dead: int) -> None:
    left = tmp_path / f"hubbub-postgres-{dead}-abc"
    left.mkdir()
    code = "print(flush=True); import time; time.sleep(60)"
    server = subprocess.Popen([sys.executable, "-c", code, f"{left}/data"], stdout=subprocess.PIPE)
    try:
        assert server.stdout
        with server.stdout:
            server.stdout.readline()  # /proc shows a command line only a moment after the process has begun
        assert remove_leftovers(tmp_path) == [left]
        assert server.wait(10) == -9
    finally:
        server.kill()


def test_own_directory_is_kept_while_its_process_lives() -> None:
    directory = own_directory("test")
    try:
        assert directory not in remove_leftovers(directory.parent / "nowhere")
        assert f"-{os.getpid()}-" in directory.name
    finally:
        directory.rmdir()
