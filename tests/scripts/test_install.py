"""install.sh looks at the server before it changes anything."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.server import ROOT

pytestmark = pytest.mark.once
ENOUGH = "MemTotal:       8000000 kB\nMemFree:         100 kB\n"


def install(
    *arguments: str, meminfo: str | Path = "/proc/meminfo", path: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [ROOT / "install.sh", *arguments]
    made = {"PATH": path or os.environ["PATH"], "HOME": os.environ.get("HOME", "/root"), "MEMINFO": str(meminfo), **env}
    return subprocess.run(command, env=made, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)


@pytest.fixture
def without_docker(tmp_path: Path) -> str:
    """A PATH with all programs of this machine but docker."""
    for folder in os.environ["PATH"].split(":"):
        for program in Path(folder).glob("*") if Path(folder).is_dir() else ():
            link = tmp_path / program.name
            if program.name != "docker" and not link.is_symlink():
                link.symlink_to(program)
    return str(tmp_path)


def test_too_little_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:         900000 kB\n")
    done = install("--dry-run", "--address", "https://chat.example.com", "--admin", "root", meminfo=tmp_path / "meminfo")
    assert done.returncode == 1
    assert "has 878 MB of memory: the stack needs 1800 MB" in done.stderr


def test_one_cpu_is_a_warning(tmp_path: Path, without_docker: str) -> None:
    (tmp_path / "meminfo").write_text(ENOUGH)
    done = install("--dry-run", meminfo=tmp_path / "meminfo", path=without_docker, CPUS="1")
    assert "warning: one CPU works, slowly" in done.stderr


def test_missing_docker_is_named_with_its_package(without_docker: str) -> None:
    done = install("--dry-run", path=without_docker)
    assert done.returncode == 1
    assert "docker is not installed. On Debian and Ubuntu: apt-get install docker.io" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--adress", "x"], "there is no option --adress"),
        (["--address"], "--address needs a value"),
        (["--delete-data"], "--delete-data goes with --uninstall"),
        (["--certificate", "/etc/hostname"], "--certificate and --key go together"),
        (["--certificate", "/etc/hostname", "--key", "/etc/hostname", "--acme", "a@b.example"], "--acme orders a certificate"),
        (["--password-file", "/no/such"], "there is no file /no/such that can be read"),
    ],
)
def test_wrong_options_are_named(arguments: list[str], says: str) -> None:
    done = install(*arguments)
    assert done.returncode == 2
    assert says in done.stderr


def test_short_password_is_refused(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("short\n")
    done = install("--password-file", str(tmp_path / "password"))
    assert done.returncode == 2
    assert "fewer than 8 characters" in done.stderr
