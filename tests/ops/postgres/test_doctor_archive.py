"""`manage.py doctor archive` and its figure, on a Postgres whose archive fails."""

import json
import os
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest

from ops.management.commands.doctor import newest_archived
from tests.support.django_shell import DjangoShell
from tests.support.server import ROOT, base_environment
from tests.support.services import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

ROLE = "CREATE ROLE app LOGIN PASSWORD 'of-the-app'; GRANT CONNECT ON DATABASE {name} TO app"
LINES = """
import json
from core import metrics
from django.db import connection
from jobs.figures import measure_archive
from ops.doctor import archive
from ops.doctor.findings import Options
connection.close()
connection.close_pool()
measure_archive()
found = [[str(one.level), one.text, one.change] for one in archive.check_archive(Options(archived_at={archived_at}))]
print(json.dumps([found, metrics.ARCHIVE_FAILING._value.get()]))
"""


class Installation:
    """A Postgres of its own, and a shell of manage.py whose role is no superuser."""

    def __init__(self, postgres: Postgres, directory: Path) -> None:
        self.postgres = postgres
        name = postgres.create_database().rpartition("/")[2]
        self.sql(ROLE.format(name=name))
        url = f"postgres://app:of-the-app@127.0.0.1:{postgres.port}/{name}"
        env = base_environment() | {"SECRET_KEY": os.environ["SECRET_KEY"], "DATA_DIR": str(directory), "DATABASE_URL": url}
        self.shell = DjangoShell(ROOT, lambda: env, directory / "shell.log")

    def sql(self, statement: str) -> Any:
        with psycopg.connect(self.postgres.url(), autocommit=True, connect_timeout=5) as connection:
            done = connection.execute(statement)
            row = done.fetchone() if done.description else None
            return row and row[0]

    def archive_by(self, command: str) -> None:
        self.sql(f"ALTER SYSTEM SET archive_command = '{command}'")
        self.sql("SELECT pg_reload_conf()")

    def write(self, counted: str) -> None:
        """Fill a segment of the log, and wait until the archiver has counted it."""
        count = f"SELECT {counted} FROM pg_stat_archiver"
        before = self.sql(count)
        self.sql("SELECT pg_logical_emit_message(false, 'doctor', 'x')")
        self.sql("SELECT pg_switch_wal()")
        deadline = monotonic() + 90
        while self.sql(count) == before:
            assert monotonic() < deadline, f"{counted} stays {before}"
            sleep(0.2)

    def look(self, archived_at: int | None = None) -> tuple[list[list[str]], float]:
        """Return the findings, and the value of the gauge."""
        found, gauge = json.loads(self.shell.run(LINES.format(archived_at=archived_at)))
        return found, gauge


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Postgres() as postgres:
        made = Installation(postgres, tmp_path_factory.mktemp("doctor"))
        yield made
        made.shell.close()


def test_archive_that_takes_no_log_is_named(installation: Installation) -> None:
    assert installation.look() == ([], 0.0)
    ((level, text, change),), _ = installation.look(archived_at=0)
    assert (level, text, change) == ("failure", "ARCHIVE_DAYS is set, and Postgres archives nothing", "make up")
    installation.sql("ALTER SYSTEM SET archive_mode = on")
    installation.archive_by("false")
    installation.postgres.stop()
    installation.postgres.start()
    installation.write("failed_count")
    ((level, text, change),), gauge = installation.look(archived_at=1)
    assert (level, change, gauge) == ("failure", "make archive, or docs/runbooks/disk-full.md", 1.0)
    assert text.startswith("it has taken no log so far, after ")
    installation.archive_by("true")
    installation.write("archived_count")
    assert installation.look() == ([["ok", "it takes the log", ""]], 0.0)
    ((level, text, change),), _ = installation.look(archived_at=0)
    assert (level, change) == ("warning", "make archive ARGS=--full")
    ((level, text, change),), _ = installation.look(archived_at=-1)
    assert (level, change) == ("warning", "make archive ARGS=--info")
    ((level, text, change),), _ = installation.look(archived_at=int(time.time()) - 33 * 3600)
    assert (level, text, change) == ("warning", "its newest backup is 33 h old", "make archive")
    ((level, text, _),), _ = installation.look(archived_at=int(time.time()) - 3600)
    assert (level, text) == ("ok", "it takes the log; its newest backup is 1 h old")
    installation.archive_by("false")
    installation.write("failed_count")
    ((level, text, change),), gauge = installation.look()
    assert (level, gauge) == ("failure", 1.0)
    assert text.startswith("it has taken no log since 2")


def info(*backups: tuple[int, int], databases: int = 1) -> str:
    """Return pgBackRest's JSON of backups, each of a database and with its end."""
    made = [{"database": {"id": number, "repo-key": 1}, "timestamp": {"start": 1, "stop": stop}} for number, stop in backups]
    known = [{"id": number + 1, "system-id": 7_000 + number, "version": "17"} for number in range(databases)]
    return json.dumps([{"backup": made, "db": known, "name": "hubbub", "status": {"code": 0}}])


@pytest.mark.parametrize(
    ("text", "stop"),
    [("", -1), (info(databases=0), 0), (info(), 0), (info((1, 100), (1, 200)), 200), (info((1, 100), (2, 300), databases=3), 0)],
    ids=["silent", "no-stanza", "no-backup", "two", "of-databases-before"],
)
def test_newest_backup_of_this_database_is_found(text: str, stop: int) -> None:
    assert newest_archived(text) == stop


@pytest.mark.parametrize("text", ["no JSON", "[1]", '[{"name": "hubbub"}]', '[{"backup": [{}], "db": [{"id": 1}]}]'])
def test_text_that_is_not_of_pgbackrest_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="must be JSON of pgBackRest"):
        newest_archived(text)
