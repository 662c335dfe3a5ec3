"""Database roles: the app is no superuser and, if possible, no owner."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.conftest import StartServer
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.server import ROOT, Server, base_environment, manage
from tests.support.services import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

OWNER_PASSWORD = "of-the-owner"
RIGHTS = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = 'hubbub'"


class LikeTheImage(Postgres):
    """A cluster as the image makes it: clients inside the container need no password."""

    def _prepare(self) -> None:
        super()._prepare()
        rules = self.directory / "data" / "pg_hba.conf"
        rules.write_text("".join(_trusting(line) for line in rules.read_text().splitlines(keepends=True)))

    def psql(self, *arguments: str | Path, script: str | None = None, **env: str) -> str:
        """Run psql over the socket."""
        command = [self._binaries / "psql", "--no-psqlrc", "-tA", *arguments]
        return self.inside(command, script, **env)

    def inside(self, command: list[str | Path], script: str | None = None, **env: str) -> str:
        """Run a program like the container does."""
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


def owner_url(postgres: Postgres) -> str:
    return postgres.url("hubbub").replace(f"hubbub:{postgres.password}", f"hubbub_owner:{OWNER_PASSWORD}")


def migrate(postgres: Postgres, *arguments: str, owner: str = "") -> None:
    env = base_environment() | {"DATABASE_URL": postgres.url("hubbub"), "SECRET_KEY": os.environ["SECRET_KEY"]}
    env |= {"MIGRATE_DATABASE_URL": owner}
    manage("migrate", "--no-input", *arguments, env=env)


def holds_no_more_than_its_database(postgres: LikeTheImage) -> None:
    with as_app(postgres) as app:
        assert app.execute(RIGHTS).fetchone() == (False,) * 5
        app.execute("ALTER TABLE rooms_room ADD COLUMN tried integer")  # as a later migration would
        app.execute("ALTER TABLE rooms_room DROP COLUMN tried")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("COPY rooms_room TO PROGRAM 'cat'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("CREATE ROLE other SUPERUSER")
        assert app.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                           " AND pg_get_userbyid(relowner) <> 'hubbub'").fetchone() == (0,)  # fmt: skip


def name_superuser_as_the_image(postgres: LikeTheImage) -> None:
    """Rename the superuser from hubbub to postgres, the image's name."""
    postgres.psql("-d", "postgres", "-c", "CREATE ROLE postgres SUPERUSER LOGIN PASSWORD 'x'", "-U", "hubbub")
    postgres.psql("-d", "postgres", "-c", "ALTER ROLE hubbub RENAME TO bootstrap", "-U", "postgres")


def make_roles(postgres: LikeTheImage, owner_password: str = "") -> None:
    given = {"POSTGRES_USER": "postgres", "POSTGRES_PASSWORD": postgres.password, "POSTGRES_OWNER_PASSWORD": owner_password}
    postgres.inside([ROOT / "docker" / "postgres-role.sh"], **given)


def app_writes_rows_only(postgres: LikeTheImage) -> None:
    with as_app(postgres) as app:
        assert app.execute(RIGHTS).fetchone() == (False,) * 5
        for statement in (
            "CREATE TABLE tried ()",
            "CREATE FUNCTION tried() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "ALTER TABLE rooms_room ADD COLUMN tried integer",
            "DROP TABLE changes_change",
            "TRUNCATE chat_event",
            "ALTER TABLE accounts_user DISABLE TRIGGER changes_access",
            "DROP TRIGGER changes_access ON accounts_user",
            "CREATE SCHEMA tried",
            "SET ROLE hubbub_owner",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(statement)
        owners = app.execute(
            "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )
        assert owners.fetchall() == [("hubbub_owner",)]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(owner_url(postgres).replace(OWNER_PASSWORD, postgres.password), connect_timeout=5)


async def people_chat(server: Server) -> None:
    """Use accounts, a private room, messages, a password change, and leaving."""
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    room = await create_room(server.base_url, ada, private=True)
    async with httpx.AsyncClient(base_url=server.base_url, headers=ada.headers, timeout=15) as http:
        answer = await http.post(f"/api/rooms/{room}/members", json={"user": bob.id})
        assert answer.is_success, answer.text
        async with ChatClient(server.ws_url(), ada) as here, ChatClient(server.ws_url(), bob) as there:
            await here.join(room)
            await there.join(room)
            sent = await here.send(room, "written by a role that owns nothing")
            await there.expect("message", seq=sent["seq"])
            answer = await http.delete(f"/api/rooms/{room}/members/{bob.id}")
            assert answer.is_success, answer.text
            await there.expect("room.left")
    assert "Traceback" not in server.log
    assert "permission denied" not in server.log


async def test_app_writes_rows_only_if_another_role_migrates(postgres: LikeTheImage, start_server: StartServer) -> None:
    name_superuser_as_the_image(postgres)
    make_roles(postgres, OWNER_PASSWORD)
    migrate(postgres, owner=owner_url(postgres))
    app_writes_rows_only(postgres)
    await people_chat(start_server(DATABASE_URL=postgres.url("hubbub"), SECRET_KEY=os.environ["SECRET_KEY"]))


@pytest.mark.drill
async def test_database_of_one_role_gets_an_owner(postgres: LikeTheImage, start_server: StartServer) -> None:
    """Run scripts/postgres-role twice beside a server.

    The app may write later migrations' tables.
    """
    name_superuser_as_the_image(postgres)
    make_roles(postgres)
    migrate(postgres)
    server = start_server(DATABASE_URL=postgres.url("hubbub"), SECRET_KEY=os.environ["SECRET_KEY"])
    for _ in range(2):
        make_roles(postgres, OWNER_PASSWORD)
    migrate(postgres, owner=owner_url(postgres))
    with psycopg.connect(owner_url(postgres), autocommit=True, connect_timeout=5) as owner, as_app(postgres) as app:
        owner.execute("CREATE TABLE later (id bigint GENERATED BY DEFAULT AS IDENTITY)")
        app.execute("INSERT INTO later DEFAULT VALUES")
        owner.execute("DROP TABLE later")
    app_writes_rows_only(postgres)
    await people_chat(server)


def test_migrating_role_must_name_the_same_database(postgres: LikeTheImage) -> None:
    with pytest.raises(RuntimeError, match="MIGRATE_DATABASE_URL names another database than DATABASE_URL"):
        migrate(postgres, owner=f"{owner_url(postgres)}_copy")


def test_role_of_a_new_installation_is_no_superuser(postgres: LikeTheImage) -> None:
    name_superuser_as_the_image(postgres)
    make_roles(postgres)
    migrate(postgres)
    holds_no_more_than_its_database(postgres)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres.url("hubbub").replace("hubbub:", "postgres:", 1), connect_timeout=5)


def test_older_installation_gets_the_new_roles(postgres: LikeTheImage) -> None:
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


@pytest.fixture
def logging(postgres: LikeTheImage) -> LikeTheImage:
    """Log every statement, failed ones too."""
    name_superuser_as_the_image(postgres)
    log_everything(postgres)
    return postgres


def log_everything(postgres: LikeTheImage, **settings: str) -> None:
    wanted = {"log_min_duration_statement": "0", "log_statement": "all"} | settings
    at_database = ["-U", "postgres", "-d", "postgres", "-c"]
    for name, value in wanted.items():
        postgres.psql(*at_database, f"ALTER SYSTEM SET {name} = '{value}'")
    postgres.psql(*at_database, "SELECT pg_reload_conf()")
    deadline = time.monotonic() + 10
    while any(postgres.psql(*at_database, f"SHOW {name}").strip() != value for name, value in wanted.items()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def logged(postgres: LikeTheImage) -> str:
    return (postgres.directory / "log").read_text()


def test_log_of_postgres_has_no_password_of_its_roles(logging: LikeTheImage) -> None:
    make_roles(logging, OWNER_PASSWORD)
    make_roles(logging, OWNER_PASSWORD)
    log_everything(logging, default_transaction_read_only="on")
    with pytest.raises(AssertionError, match="read-only transaction"):
        make_roles(logging, OWNER_PASSWORD)
    text = logged(logging)
    assert "statement:" in text
    assert "in a read-only transaction" in text
    assert OWNER_PASSWORD not in text
    assert logging.password not in text


def test_log_of_postgres_has_no_new_password(logging: LikeTheImage) -> None:
    """scripts/rotate-secret changes a role, and tries it where that fails."""
    text = (ROOT / "scripts" / "rotate-secret").read_text()
    function = text[text.index("change_role() {") :].partition("\n}\n")[0] + "\n}\n"
    change = f'set -euo pipefail\ncompose() {{ "${{@:4}}"; }}\n{function}\nchange_role "$@"'
    make_roles(logging)
    logging.inside(["bash", "-c", change, "bash", "hubbub", "known-to-few"])
    with psycopg.connect(logging.url("hubbub").replace(logging.password, "known-to-few"), connect_timeout=5):
        pass
    with pytest.raises(AssertionError, match='role "nobody_here" does not exist'):
        logging.inside(["bash", "-c", change, "bash", "nobody_here", "known-to-few"])
    assert 'role "nobody_here" does not exist' in logged(logging)
    assert "known-to-few" not in logged(logging)
