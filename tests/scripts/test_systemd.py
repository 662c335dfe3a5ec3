"""The systemd units are valid, and the server's gives it few rights."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from config.variables import VARIABLES
from ops.management.commands.migrate import ONE_AT_A_TIME_S
from tests.support.drop_ins import documented_drop_ins
from tests.support.server import ROOT

pytestmark = pytest.mark.once
UNITS = ROOT / "scripts" / "systemd"
SERVER = UNITS / "hubbub.service"


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


def copy_units(directory: Path) -> None:
    """Copy the units, with programs that are here.

    systemd looks whether each can be run.
    """
    for one in UNITS.iterdir():
        text = one.read_text().replace("/opt/hubbub/.venv/bin/python", sys.executable).replace("/opt/hubbub", str(ROOT))
        (directory / one.name).write_text(text)


def faults_of(unit: Path) -> tuple[int, str]:
    """Return the exit code and the words of systemd about a unit and its drop-ins."""
    done = analyze("verify", "--man=no", "--recursive-errors=no", unit)
    return done.returncode, done.stderr.strip()


def test_server_is_exposed_little() -> None:
    """The unit's exposure is at most 2.0 of 10.

    It has no capability, a read-only system, no new namespaces and few system calls.
    """
    done = analyze("security", "--offline=true", "--no-pager", "--threshold=20", SERVER)
    assert done.returncode == 0, done.stdout
    planted = analyze("security", "--offline=true", "--no-pager", "--threshold=20", UNITS / "hubbub-backup.service")
    assert planted.returncode != 0, "a unit without hardening is above it"


@pytest.mark.parametrize("unit", sorted(UNITS.iterdir()), ids=lambda unit: str(unit.name))
def test_unit_is_valid(unit: Path, tmp_path: Path) -> None:
    copy_units(tmp_path)
    assert faults_of(tmp_path / unit.name) == (0, "")


def test_server_has_time_to_hand_its_sockets_over() -> None:
    text = SERVER.read_text()
    most = next(variable.maximum for variable in VARIABLES if variable.name == "DRAIN_SECONDS")
    assert most
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[0]) >= most + 10
    assert "KillMode=mixed" in text, "the signal goes to Gunicorn's master alone"
    for name in re.findall(r"\b([A-Z_]+)=", re.findall(r"^Environment=(.*)$", text, re.MULTILINE)[0]):
        assert name == "PYTHONDONTWRITEBYTECODE" or name in {variable.name for variable in VARIABLES}


def test_server_has_time_to_migrate() -> None:
    (limit,) = re.findall(r"^TimeoutStartSec=(\d+)$", SERVER.read_text(), re.MULTILINE)
    assert int(limit) >= ONE_AT_A_TIME_S


def test_backup_runs_where_docker_is_not() -> None:
    """A server without containers has neither docker.service nor an .env."""
    text = (UNITS / "hubbub-backup.service").read_text()
    assert not re.findall(r"^(Requires|BindsTo|Requisite)=", text, re.MULTILINE)
    assert "[ ! -e .env ] || scripts/archive --nightly" in text


@pytest.mark.parametrize("names", [("disk",), ("user",), ("user", "elsewhere"), ("user", "elsewhere", "disk")], ids="-".join)
def test_documented_drop_in_of_the_backup_is_valid(names: tuple[str, ...], tmp_path: Path) -> None:
    """`systemctl edit` writes all lines into one file beside the unit."""
    units = tmp_path / "etc" / "systemd" / "system"
    drop_in = units / "hubbub-backup.service.d" / "override.conf"
    drop_in.parent.mkdir(parents=True)
    copy_units(units)
    text = "".join(documented_drop_ins()[name] for name in names)
    drop_in.write_text(text)
    assert faults_of(units / "hubbub-backup.service") == (0, "")
    shown = analyze("cat-config", f"--root={tmp_path}", "--no-pager", "systemd/system/hubbub-backup.service").stdout
    assert shown.rstrip().endswith(text.rstrip())
    drop_in.write_text(text.replace("[Service]", "[Servic]").replace("RequiresMountsFor", "RequiresMountFor"))
    code, said = faults_of(units / "hubbub-backup.service")
    assert (code, str(drop_in) in said) == (1, True), said
