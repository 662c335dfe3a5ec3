"""What scripts write into .env: all lines at once, in their places."""

import subprocess
from pathlib import Path

import pytest

from tests.support.server import ROOT

pytestmark = pytest.mark.once
SET = 'set -euo pipefail; . "$1/scripts/lib/common.sh"; . "$1/scripts/lib/stack.sh"; env_file=$2; shift 2; set_lines "$@"'
BEFORE = "# The address.\n#PUBLIC_URL=\n\n# How long.\nDRAIN_SECONDS=5\n#DRAIN_SECONDS=25\nDRAIN_SECONDS=6\nOTHER='a=b'\n"


def set_lines(file: Path, *lines: str, before: str = "") -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = ["bash", "-c", before + SET, "set", ROOT, file, *lines]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / ".env"
    made.write_text(BEFORE)
    made.chmod(0o600)
    return made


def test_line_replaces_the_one_before_or_its_comment(file: Path) -> None:
    done = set_lines(file, "DRAIN_SECONDS=7", "PUBLIC_URL=https://chat.example.com:8443", "NEW=1")
    assert done.returncode == 0, done.stderr
    assert file.read_text() == (
        "# The address.\nPUBLIC_URL=https://chat.example.com:8443\n\n# How long.\nDRAIN_SECONDS=7\n#DRAIN_SECONDS=25\n"
        "OTHER='a=b'\nNEW=1\n"
    )
    assert file.stat().st_mode & 0o777 == 0o600
    again = file.read_text()
    assert set_lines(file, "NEW=1", "DRAIN_SECONDS=7").returncode == 0
    assert file.read_text() == again


@pytest.mark.parametrize("value", ["a|b&c\\d", "two words", "$HOME", "#x", '"q"', "https://[::1]:8443"])
def test_value_that_is_no_plain_word_is_quoted(file: Path, value: str) -> None:
    assert set_lines(file, f"PUBLIC_URL={value}").returncode == 0
    assert f"PUBLIC_URL='{value}'\n" in file.read_text()


def test_value_that_cannot_be_quoted_changes_nothing(file: Path) -> None:
    done = set_lines(file, "NEW=1", "PUBLIC_URL=it's")
    assert done.returncode == 1
    assert "PUBLIC_URL holds a quotation mark" in done.stderr
    assert file.read_text() == BEFORE


def test_disk_that_is_full_changes_nothing(file: Path) -> None:
    """The kernel refuses writes above a limit, as a full disk does."""
    file.write_text(BEFORE + "# filling\n" * 2000)
    before = file.read_text()
    done = set_lines(file, "NEW=1", before="trap '' XFSZ; ulimit -f 1;")
    assert done.returncode == 1, done.stderr
    assert file.read_text() == before
    assert [path.name for path in file.parent.iterdir()] == [".env"]
