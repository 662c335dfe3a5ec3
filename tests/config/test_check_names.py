"""`python -m config.check_names`: what `make up` says of the names in .env."""

import subprocess
import sys

import pytest

from tests.support.server import ROOT, base_environment


def check(text: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "config.check_names"]
    env = base_environment() | {"PYTHONPATH": str(ROOT / "app")}
    return subprocess.run(command, input=text, env=env, capture_output=True, text=True, timeout=30, check=False)


def test_a_misspelt_name_is_told_the_one_it_is_close_to() -> None:
    done = check("# SIGNUP_OPNE=1\nSIGNUP_OPNE=false\nPORT=80\n")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "Warning: SIGNUP_OPNE is not a setting of Hubbub; did you mean SIGNUP_OPEN?\n"


@pytest.mark.parametrize("line", ["WORKERS=3", "export WORKERS=3", " WORKERS = 3"])
def test_a_renamed_one_is_refused_by_name(line: str) -> None:
    done = check(f"PORT=80\n{line}\n")
    assert done.returncode == 3
    assert done.stderr == "WORKERS is now WEB_CONCURRENCY: rename it\n"


def test_the_example_is_fine() -> None:
    done = check((ROOT / ".env.example").read_text())
    assert (done.returncode, done.stderr) == (0, "")
