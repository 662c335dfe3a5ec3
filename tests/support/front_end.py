"""The front end, built from the present sources before a test's time limit begins."""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

SETUP = Path(__file__).resolve().parents[2] / "scripts" / "setup"
# Where a machine is busy a build alone takes more than half of the time of a test.
BUILD_S = 600

_built = False


def build_for(tests: Sequence[pytest.Item]) -> None:
    """Build the front end if one of the tests needs it.

    A failed build is repeated by the fixture, so that it fails the tests that need it, and no others.
    """
    if any("static_files" in getattr(test, "fixturenames", ()) for test in tests):
        with suppress(subprocess.SubprocessError):
            ensure_built()


def ensure_built() -> None:
    """Build the front end, once a process.

    Raises SubprocessError.
    """
    global _built
    if _built:
        return
    # Processes that run tests beside each other build into one folder.
    with SETUP.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([SETUP, "frontend"], cwd=SETUP.parents[1], check=True, timeout=BUILD_S)
    _built = True
