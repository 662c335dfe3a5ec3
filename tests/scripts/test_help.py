"""`--help` of an operator's script explains it, and does nothing else."""

import shutil

import pytest

from tests.scripts.conftest import Checkout
from tests.support.server import ROOT

pytestmark = pytest.mark.once

SCRIPTS = ("archive", "backup", "clean", "down", "postgres-role", "restore", "roll", "rotate-secret", "run", "set", "up")


@pytest.mark.parametrize("name", [*SCRIPTS, "../install.sh"])
@pytest.mark.parametrize("asked", ["--help", "-h"])
def test_help_does_nothing_else(faked: Checkout, name: str, asked: str) -> None:
    """scripts/down --help stopped the stack."""
    restore_original(faked, name)
    before = faked.env_file.read_text()
    done = faked.script(name, asked)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 40
    assert "shellcheck" not in done.stdout
    assert not (faked.directory / "bin" / "calls").exists(), "docker was called"
    assert faked.env_file.read_text() == before


@pytest.mark.parametrize("name", ["backup", "down", "postgres-role", "restore", "run", "up"])
def test_unknown_argument_is_refused(faked: Checkout, name: str) -> None:
    done = faked.script(name, "--nonsense")
    assert (done.returncode, "unknown argument '--nonsense': see --help" in done.stderr) == (1, True), done.stderr
    assert not (faked.directory / "bin" / "calls").exists(), "docker was called"


def restore_original(checkout: Checkout, name: str) -> None:
    """Bring a script that the fixture replaced or left out."""
    shutil.copy(ROOT / "scripts" / name, checkout.directory / "scripts" / name)
