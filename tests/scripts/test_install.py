"""install.sh looks at the server before it changes anything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.scripts.conftest import Checkout
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


# --- the first certificate


@pytest.fixture
def ordering(faked: Checkout) -> Checkout:
    """An installation with ACME, whose doctor is a call of docker."""
    shutil.copy(ROOT / "install.sh", faked.directory)
    (faked.directory / "scripts" / "up").write_text("#!/bin/sh\n")
    (faked.directory / "scripts" / "doctor").write_text("#!/bin/sh\nexec docker doctor\n")
    (faked.directory / "meminfo").write_text(ENOUGH)
    faked.env_file.write_text("SECRET_KEY=a\nPUBLIC_URL=https://chat.example.com\nACME_EMAIL=ada@example.com\n")
    return faked


def repeat(checkout: Checkout, **env: str) -> subprocess.CompletedProcess[str]:
    """Run install.sh once more; .env says all but the administrator's name."""
    return checkout.script("../install.sh", "--admin", "ada", MEMINFO=str(checkout.directory / "meminfo"), CPUS="2", **env)


def test_doctor_waits_for_the_first_certificate(ordering: Checkout) -> None:
    (ordering.directory / "bin" / "without_certificate").write_text("2")
    done = repeat(ordering)
    assert done.returncode == 0, done.stderr
    asked = [number for number, call in enumerate(ordering.calls()) if {"exec", "nginx"} <= {*call}]
    assert len(asked) == 3
    assert ordering.calls()[asked[0]][-1] == "chat.example.com"
    assert asked[-1] < ordering.calls().index(["doctor"])
    assert "warning" not in done.stderr


def test_certificate_that_does_not_come_is_named_with_its_reason(ordering: Checkout) -> None:
    (ordering.directory / "bin" / "without_certificate").write_text("1000")
    (ordering.directory / "bin" / "logs").write_text("T ordering a certificate\nT error: no new certificate: no such name\n")
    done = repeat(ordering, CERTIFICATE_S="1")
    assert "warning: no certificate for chat.example.com came within 1 s" in done.stderr
    assert "T error: no new certificate: no such name" in done.stderr
    assert ordering.calls()[-1] == ["doctor"]


def test_nobody_waits_for_a_certificate_without_acme(ordering: Checkout) -> None:
    (ordering.directory / "bin" / "without_certificate").write_text("1000")
    ordering.env_file.write_text("SECRET_KEY=a\nPUBLIC_URL=http://127.0.0.1:8080\n")
    assert repeat(ordering).returncode == 0
    assert ["exec", "nginx"] not in [[word for word in call if word in {"exec", "nginx"}] for call in ordering.calls()]
