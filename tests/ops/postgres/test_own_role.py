"""The app's database role owns its database and is no superuser: in new installations, and in older ones after an upgrade."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.support.server import ROOT, base_environment, manage
from tests.support.services import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

RIGHTS = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = 'hubbub'"


class LikeTheImage(Postgres):
    """A cluster as the image makes it: whoever is inside the container needs no password."""

    def _prepare(self) -> None:
        super()._prepare()
        rules = self.directory / "data" / "pg_hba.conf"
        rules.write_text("".join(_trusting(line) for line in rules.read_text().splitlines(keepends=True)))

    def psql(self, *arguments: str | Path, script: str | None = None, **env: str) -> str:
        """Run psql over the socket."""
        command = [self._binaries / "psql", "--no-psqlrc", "-tA", *arguments]
        return self.inside(command, script, **env)

    def inside(self, command: list[str | Path], script: str | None = None, **env: str) -> str:
        """Run a program as the container would."""
        known = {"PGHOST": str(self.directory), "PGPORT": str(self.port), "PATH": f"{self._binaries}:{os.environ['PATH']}"}
        done = subprocess.run(command, input=script, env=known | env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def _trusting(line: str) -> str:
    return line.replace("scram-sha-256", "trust") if line.startswith("local") else line


@pytest.fixture
def postgres() -> Iterator[LikeTheImage]:
    with LikeTheImage() as running:
        yield running


@contextmanager
def as_app(postgres: Postgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.url("hubbub"), autocommit=True, connect_timeout=5) as connection:
        yield connection


def migrate(postgres: Postgres, *arguments: str) -> None:
    env = base_environment() | {"DATABASE_URL": postgres.url("hubbub"), "SECRET_KEY": os.environ["SECRET_KEY"]}
    manage("migrate", "--no-input", *arguments, env=env)


def holds_no_more_than_its_database(postgres: LikeTheImage) -> None:
    with as_app(postgres) as app:
        assert app.execute(RIGHTS).fetchone() == (False,) * 5
        app.execute("ALTER TABLE rooms_room ADD COLUMN tried integer")  # what a later migration does
        app.execute("ALTER TABLE rooms_room DROP COLUMN tried")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("COPY rooms_room TO PROGRAM 'cat'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("CREATE ROLE other SUPERUSER")
        assert app.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                           " AND pg_get_userbyid(relowner) <> 'hubbub'").fetchone() == (0,)  # fmt: skip


def test_role_of_a_new_installation_is_no_superuser(postgres: LikeTheImage) -> None:
    # The image's superuser is postgres; this cluster's was called hubbub.
    postgres.psql("-d", "postgres", "-c", "CREATE ROLE postgres SUPERUSER LOGIN PASSWORD 'x'", "-U", "hubbub")
    postgres.psql("-d", "postgres", "-c", "ALTER ROLE hubbub RENAME TO bootstrap", "-U", "postgres")
    script: list[str | Path] = [ROOT / "docker" / "postgres-role.sh"]
    postgres.inside(script, POSTGRES_USER="postgres", POSTGRES_PASSWORD=postgres.password)
    migrate(postgres)
    holds_no_more_than_its_database(postgres)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres.url("hubbub").replace("hubbub:", "postgres:", 1), connect_timeout=5)


def test_installation_of_before_is_brought_to_it(postgres: LikeTheImage) -> None:
    postgres.psql("-U", "hubbub", "-d", "postgres", "-c", "CREATE DATABASE hubbub")
    migrate(postgres)
    upgrade = (ROOT / "docker" / "postgres-own-role.sql").read_text()
    with as_app(postgres) as open_before:
        postgres.psql("-U", "hubbub", "-d", "hubbub", script=upgrade)
        assert open_before.execute("SELECT count(*) FROM rooms_room").fetchone() == (1,)
    migrate(postgres, "--check")
    holds_no_more_than_its_database(postgres)
    postgres.psql("-U", "hubbub", "-d", "hubbub", script=upgrade)  # once more: nothing to do
    holds_no_more_than_its_database(postgres)
    assert postgres.psql("-U", "postgres", "-d", "hubbub", "-c", "SELECT rolname FROM pg_roles WHERE rolsuper").split() == [
        "postgres"
    ]


def test_kubernetes_runs_the_same_script_as_compose() -> None:
    assert (ROOT / "k8s" / "base" / "postgres-role.sh").read_bytes() == (ROOT / "docker" / "postgres-role.sh").read_bytes()
