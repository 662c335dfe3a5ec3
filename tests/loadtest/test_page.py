"""Master and workers as separate processes, with runs started on Locust's page."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.loadtest.conftest import QUICK, Faulty
from tests.support.ports import accepts, free_port
from tests.support.processes import Process
from tests.support.server import ROOT, base_environment

pytestmark = pytest.mark.integration


@pytest.fixture
def page(faulty_server: Faulty, tmp_path: Path) -> Iterator[str]:
    """The address of a master's page with two workers.

    Its results go to tmp_path/report.
    """
    web, port = free_port(), free_port()
    common = {
        "URL": faulty_server("none"),
        "EXPECT_WORKERS": "2",
        "MASTER_PORT": str(port),
        "SETTLE": "3s",
        "PROFILES": "person",
        "PICTURE": "1",
    }
    roles = [{"ROLE": "master", "WEB_PORT": str(web), "REPORT": str(tmp_path / "report")}]
    roles += [{"ROLE": "worker", "REPORT": str(tmp_path / f"worker-{number}")} for number in range(2)]
    with ExitStack() as exits:
        processes = []

        def begin(number: int) -> None:
            env = base_environment() | QUICK | common | roles[number]
            processes.append(Process([ROOT / "scripts" / "load"], env=env, log=tmp_path / f"{number}.log", cwd=ROOT))
            exits.callback(processes[-1].kill)

        begin(0)
        processes[0].wait_until(lambda: accepts(web), timeout=30, what="the page")
        address = f"http://127.0.0.1:{web}"
        assert "no load generator is connected" in refused(address, users=8)
        begin(1)
        begin(2)
        processes[0].wait_until(lambda: workers(address) == 2, timeout=30, what="two workers")
        yield address


def workers(page: str) -> int:
    return len(httpx.get(f"{page}/stats/requests", timeout=5).json()["workers"])


def press(page: str, users: object, **form: object) -> dict[str, Any]:
    """Press start, and return the answer."""
    fields = {"user_count": users, "spawn_rate": 20, "time": "2s", "shape": "smoke"} | form
    answer: dict[str, Any] = httpx.post(f"{page}/swarm", data=fields, timeout=10).json()
    return answer


def start(page: str, users: int) -> None:
    """Press start for a possible run."""
    answer = press(page, users)
    assert answer["success"], answer


def refused(page: str, users: object, **form: object) -> str:
    """Press start for an impossible run; return the page's message."""
    answer = press(page, users, **form)
    assert not answer["success"], answer
    return str(answer["message"])


def summary_of(report: Path, after: float) -> dict[str, object]:
    """Return the report written after the moment `after`."""
    file, deadline = report / "summary.json", time.monotonic() + 60
    while True:
        assert time.monotonic() < deadline, "the run did not end with a report"
        if file.exists() and file.stat().st_mtime > after:
            with suppress(json.JSONDecodeError):  # the file is half written
                found: dict[str, object] = json.loads(file.read_text())
                return found
        time.sleep(0.2)


def test_runs_from_the_page_each_write_a_report(page: str, tmp_path: Path) -> None:
    names = []
    for users in (8, 12):
        before = time.time()
        assert "SHAPE='spikes' does not exist" in refused(page, users, shape="spikes")
        assert "ROOMS=50 is more than USERS=8" in refused(page, 8, rooms="50")
        assert "TIME='soon' is no duration" in refused(page, users, time="soon")
        assert "GATES='wan' does not exist" in refused(page, users, gates="wan")
        assert "USERS='0' must be" in refused(page, 0)
        assert "SPAWN_RATE='-1' must be" in refused(page, users, spawn_rate=-1)
        start(page, users)
        assert "a run is under way" in refused(page, users)
        found = summary_of(tmp_path / "report", before)
        assert found["verdict"] == "passed", json.dumps(found, indent=1)
        assert (found["users"], found["connections_ended"]) == (users, {"asked 1000": users})
        generator = found["generator"]
        assert isinstance(generator, dict)
        assert generator["processes"] == 2
        names.append(found["run"])
        deadline = time.monotonic() + 30
        while httpx.get(f"{page}/stats/requests", timeout=5).json()["state"] in {"running", "spawning", "stopping"}:
            assert time.monotonic() < deadline
            time.sleep(0.3)
        for name in ("report.html", "locust.json", "locust_stats.csv", "timeline.csv"):
            assert (tmp_path / "report" / name).stat().st_mtime > before, name
        picture = tmp_path / "report" / "timeline.png"  # the last file, drawn while the page serves requests
        while not picture.exists() or picture.stat().st_mtime <= before:
            assert time.monotonic() < deadline, "the run was not drawn"
            time.sleep(0.1)
        requests = {
            entry["name"]: entry["num_requests"] for entry in json.loads((tmp_path / "report" / "locust.json").read_text())
        }
        assert requests["handshake"] == users
        charts = (tmp_path / "report" / "report.html").read_text()
        assert f'"name": "handshake", "num_failures": 0, "num_requests": {users}' in charts
    assert names[0] != names[1]
