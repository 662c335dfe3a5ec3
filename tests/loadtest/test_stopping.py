"""A stopped search for the capacity ends its load run and reports."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.loadtest.conftest import QUICK
from tests.support.processes import Process
from tests.support.server import ROOT, Server, base_environment

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_stopped_capacity_search_reports_its_findings(server: Server, tmp_path: Path, number: signal.Signals) -> None:
    env = base_environment() | QUICK | {"URL": server.base_url, "START": "2", "TIME": "10m", "GATES": "", "REPORT": str(tmp_path)}
    search = Process([ROOT / "scripts" / "capacity"], env=env, log=tmp_path / "output", cwd=ROOT)
    try:
        search.wait_until(lambda: len(loads(tmp_path)) > 0, timeout=60, what="the first load")
        search.send(number)
        search.wait_until_gone(timeout=20)
        assert search.popen.returncode == 1
        assert f"capacity: stopped early by {number.name}" in search.tail()
        assert "the search ended early" in search.tail()
        answer = json.loads((tmp_path / "capacity.json").read_text())
        assert (answer["stopped"], answer["users"]) == (f"stopped early by {number.name}", 0)
        assert loads(tmp_path) == []
    finally:
        search.kill()
        for pid in loads(tmp_path):
            os.kill(pid, signal.SIGKILL)


def loads(report: Path) -> list[int]:
    """Return the load runs that write below `report`.

    They have their own session.
    """
    return [int(at.parent.name) for at in Path("/proc").glob("[0-9]*/cmdline") if _is_load(at, report)]


def _is_load(command_line: Path, report: Path) -> bool:
    try:
        command = command_line.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"locust" in command and str(report).encode() in command
