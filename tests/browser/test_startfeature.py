"""`manage.py startfeature` makes a feature that two people use.

It runs in a copy of the checkout.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import ROOT, base_environment

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A copy of the sources, with the installed packages of the original."""
    subprocess.run([ROOT / "scripts" / "setup", "node"], cwd=ROOT, check=True, timeout=600)
    copy = tmp_path / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    (copy / ".venv").symlink_to((ROOT / ".venv").resolve())
    packages = copy / "frontend" / "node_modules"
    packages.mkdir()
    for entry in (ROOT / "frontend" / "node_modules").iterdir():
        if entry.name not in {".built", ".vite"}:
            (packages / entry.name).symlink_to(entry)
    yield copy
    shutil.rmtree(copy)


def run(checkout: Path, *command: str | Path) -> str:
    path = f"{ROOT}/.venv/node/bin:{os.environ['PATH']}"
    env = base_environment() | {"HUBBUB_TEST_PROFILE": "embedded", "DATA_DIR": str(checkout / "var"), "PATH": path}
    done = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, f"{done.stdout[-6_000:]}\n{done.stderr[-3_000:]}"
    return done.stdout


def test_skeleton_becomes_a_feature_of_two_people(checkout: Path) -> None:
    run(checkout, sys.executable, "app/manage.py", "startfeature", "dice")
    run(checkout, "scripts/protocol")
    for tool in (("ruff", "check", "-q"), ("ruff", "format", "--check", "-q")):
        run(checkout, Path(sys.executable).parent / tool[0], *tool[1:], "app/features/dice", "tests/features/dice")
    run(checkout, "frontend/node_modules/.bin/vue-tsc", "--noEmit", "-p", "frontend/tsconfig.json")
    run(checkout, "npm", "--prefix", "frontend", "test", "--", "tests/words.test.ts", "tests/features/registry.test.ts")
    pytest_here = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "6 passed" in run(checkout, *pytest_here, "tests/features/dice")
    assert "passed" in run(checkout, *pytest_here, "tests/config/test_words.py")
    shots = checkout / "artifacts" / "screenshots"
    assert {"dice-desktop.png", "dice-phone.png"} <= {file.name for file in shots.iterdir()}


@pytest.mark.parametrize("name", ["Dice", "two words", "1st", "", "../up", "chat", "typing"])
def test_name_that_no_feature_may_have_is_refused(name: str) -> None:
    env = base_environment() | {"DATA_DIR": str(ROOT / "var")}
    command = [sys.executable, "app/manage.py", "startfeature", name]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "is no name of a feature" in done.stderr or "is taken" in done.stderr
