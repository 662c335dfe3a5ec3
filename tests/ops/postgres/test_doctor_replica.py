"""`manage.py doctor replica` on a real primary and standby.

One thing is broken at a time.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.django_shell import DjangoShell
from tests.support.profile import Profile
from tests.support.server import ROOT, base_environment
from tests.support.services import Postgres, Standby

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

ROLE = "CREATE ROLE app LOGIN PASSWORD 'of-the-app'; GRANT CONNECT ON DATABASE {name} TO app"
AFRESH = "connections['default'].close(); connections['default'].close_pool()"
LINES = """
import json
from django.conf import settings
from django.db import connections
from ops.doctor import replica
from ops.doctor.findings import Options
settings.REPLICA_STALENESS_S = 1
connections["replica"].close()
connections["replica"].close_pool()
{settings}
print(json.dumps([[str(one.level), one.text, one.change] for one in replica.check_replica(Options())]))
"""


class Pair:
    """A primary, its standby, and a shell of manage.py whose role is no superuser."""

    def __init__(self, primary: Postgres, standby: Standby, directory: Path) -> None:
        self.primary, self.standby = primary, standby
        owner = primary.create_database()
        name = owner.rpartition("/")[2]
        self.own = {"PORT": f"{primary.port}", "USER": "app", "PASSWORD": "of-the-app", "NAME": name}
        self.sql(primary, ROLE.format(name=name))
        self.sql(primary, "ALTER SYSTEM RESET synchronous_standby_names")
        self.sql(primary, "SELECT pg_reload_conf()")
        url = f"postgres://app:of-the-app@127.0.0.1:{primary.port}/{name}"
        env = base_environment() | {"SECRET_KEY": os.environ["SECRET_KEY"], "DATA_DIR": str(directory), "DATABASE_URL": url}
        env["REPLICA_URL"] = url.replace(f":{primary.port}/", f":{standby.port}/")
        self.shell = DjangoShell(ROOT, lambda: env, directory / "shell.log")

    @staticmethod
    def sql(server: Postgres, statement: str) -> None:
        with psycopg.connect(server.url(), autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement)

    def look(self, settings: str = "") -> tuple[str, str, str]:
        """Return the one finding: level, text, change."""
        (found,) = json.loads(self.shell.run(LINES.format(settings=settings)))
        return found[0], found[1], found[2]

    def look_at(self, port: int) -> tuple[str, str, str]:
        """Look while REPLICA_URL has this port."""
        line = "connections['replica'].settings_dict['PORT'] = '{}'"
        try:
            return self.look(line.format(port))
        finally:
            self.look(line.format(self.standby.port))


@pytest.fixture(scope="module")
def pair(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Postgres() as primary, Standby(primary) as standby:
        made = Pair(primary, standby, tmp_path_factory.mktemp("doctor"))
        yield made
        made.shell.close()


def write(pair: Pair) -> None:
    pair.sql(pair.primary, "SELECT pg_logical_emit_message(false, 'doctor', 'x'), pg_switch_wal()")


def test_standby_that_keeps_up_is_sound(pair: Pair) -> None:
    level, text, _ = pair.look()
    assert (level, "a standby" in text) == ("ok", True), text


def test_paused_standby_is_named_with_its_remedy(pair: Pair) -> None:
    pair.sql(pair.standby, "SELECT pg_wal_replay_pause()")
    try:
        write(pair)
        level, text, change = pair.look()
    finally:
        pair.sql(pair.standby, "SELECT pg_wal_replay_resume()")
    assert (level, change) == ("failure", "SELECT pg_wal_replay_resume() on the standby")
    assert "more than 1 s behind" in text


def test_standby_that_receives_nothing_is_named(pair: Pair) -> None:
    pair.sql(pair.standby, "ALTER SYSTEM SET primary_conninfo = ''")
    pair.sql(pair.standby, "SELECT pg_reload_conf(), pg_sleep(1)")
    try:
        write(pair)
        level, _, change = pair.look()
    finally:
        pair.sql(pair.standby, "ALTER SYSTEM RESET primary_conninfo")
        pair.sql(pair.standby, "SELECT pg_reload_conf()")
    assert (level, "primary_conninfo" in change) == ("failure", True), change


def test_primary_as_replica_is_named(pair: Pair) -> None:
    level, text, change = pair.look_at(pair.primary.port)
    assert (level, text) == ("failure", "it is no standby, and is not asked")
    assert "REPLICA_URL" in change


def test_replica_that_does_not_answer_is_named(pair: Pair) -> None:
    level, text, change = pair.look_at(1)
    assert (level, "it does not answer" in text) == ("failure", True), text
    assert change.startswith("REPLICA_URL: docs/high-availability.md")


def test_standby_of_another_server_is_named(pair: Pair, profile: Profile) -> None:
    other = profile.postgres
    assert other
    given = {"PORT": f"{other.port}", "USER": "hubbub", "PASSWORD": other.password, "NAME": "postgres"}
    line = "connections['default'].settings_dict |= {}; " + AFRESH
    try:
        level, text, _ = pair.look(line.format(given))
    finally:
        pair.shell.run("\n".join(["from django.db import connections", line.format(pair.own)]))
    assert (level, "another server" in text) == ("failure", True), text


def test_standby_in_the_place_of_the_primary_is_named(pair: Pair) -> None:
    line = "connections['default'].settings_dict['PORT'] = '{}'; " + AFRESH
    asked = "from ops.doctor import database; from ops.doctor.findings import Options"
    shown = "print([one.change for one in database.check_database(Options()) if 'is a standby' in one.text])"
    imports = "from django.db import connections"
    try:
        found = pair.shell.run("\n".join([imports, line.format(pair.standby.port), asked, shown]))
    finally:
        pair.shell.run("\n".join([imports, line.format(pair.primary.port)]))
    assert found.strip() == "['DATABASE_URL must lead to the primary']"
