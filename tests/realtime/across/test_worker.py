"""The background worker outlives an outage of its database."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.realtime.across.conftest import Pair
from tests.support.processes import Process
from tests.support.server import ROOT, base_environment, manage

WITHIN_S = 60
ENQUEUE = "from accounts.tasks import expired_prune; print(expired_prune.enqueue().id)"


@pytest.fixture
def worker(fragile: Pair, tmp_path: Path) -> Iterator[Process]:
    env = base_environment() | fragile.one.env
    process = Process([sys.executable, str(ROOT / "app" / "manage.py"), "worker"], env=env, log=tmp_path / "log", cwd=ROOT)
    yield process
    process.kill()


@pytest.mark.drill
def test_restart_of_postgres_costs_the_worker_nothing(fragile: Pair, worker: Process) -> None:
    assert fragile.postgres is not None
    done(fragile, worker)
    fragile.postgres.stop()
    until(lambda: "background tasks wait for the database" in worker.tail(), worker)
    fragile.postgres.start()
    done(fragile, worker)
    assert worker.popen.poll() is None


def done(pair: Pair, worker: Process) -> None:
    """Queue a task, and wait until it is done."""
    task = manage("shell", "-v", "0", "-c", ENQUEUE, env=pair.one.env).strip()

    def successful() -> bool:
        with psycopg.connect(pair.one.env["DATABASE_URL"], connect_timeout=5) as connection:
            found = connection.execute("SELECT status FROM django_tasks_database_dbtaskresult WHERE id = %s", [task]).fetchone()
        return found == ("SUCCESSFUL",)

    until(successful, worker)


def until(true: Callable[[], bool], worker: Process) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline, worker.tail()
        time.sleep(0.1)
