"""The front end is built before the time limit of the first test begins.

The build is planted.
"""

import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tests.conftest
from tests.support import front_end

pytestmark = pytest.mark.once

TESTS = """
import pytest
from front_end import ensure_built

@pytest.fixture(scope="session")
def static_files():
    ensure_built()

def test_page(static_files): ...
def test_other(): ...
"""
# Takes twice as long as a test may, unless it is done already.
SLOW = '#!/bin/sh\ncd "$(dirname "$0")/.." && echo "$*" >>calls\n[ -e built ] || { sleep 4 && touch built; }\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with two tests, one of which needs the front end."""
    for name, text in (
        ("scripts/setup", SLOW),
        ("pyproject.toml", '[tool.pytest.ini_options]\ntimeout = 2\npythonpath = ["tests/support"]\n'),
        ("conftest.py", f"import pytest\nimport front_end\n{inspect.getsource(tests.conftest.pytest_collection_finish)}"),
        ("tests/test_planted.py", TESTS),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "scripts" / "setup").chmod(0o755)
    (tmp_path / "tests" / "support").mkdir()
    shutil.copy(front_end.__file__, tmp_path / "tests" / "support")
    return tmp_path


def run(checkout: Path, *arguments: str) -> str:
    quiet = (
        "-q",
        *(f"-pno:{name}" for name in ("cacheprovider", "schemathesis", "hypothesispytest", "anyio", "locust", "django")),
    )
    command = [sys.executable, "-m", "pytest", *quiet, *arguments]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=60, check=False).stdout


def test_long_build_leaves_the_first_test_its_time(checkout: Path) -> None:
    assert "2 passed" in run(checkout)
    assert (checkout / "calls").read_text() == "frontend\n", "one build for the run"


@pytest.mark.parametrize("arguments", [("-k", "other"), ("--collect-only",)])
def test_nothing_is_built_where_no_test_runs_that_needs_it(checkout: Path, arguments: tuple[str, ...]) -> None:
    run(checkout, *arguments)
    assert not (checkout / "calls").exists()


def test_failed_build_fails_the_tests_that_need_it(checkout: Path) -> None:
    (checkout / "scripts" / "setup").write_text("#!/bin/sh\nexit 1\n")
    assert "1 passed, 1 error" in run(checkout)
