"""Each form of DATABASE_URL works for ORM, pools, migrations and worker."""

import asyncio
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.support.chat_client import ChatClient, sign_up
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.profile import Profile
from tests.support.server import ROOT, Server, base_environment, manage
from tests.support.services import Postgres, Standby

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

# In one process: its start takes longer than both calls.
CHECK_AND_ENQUEUE = """
from django.core.management import call_command
from accounts.tasks import expired_prune
call_command("migrate", check_unapplied=True, verbosity=0)
print(expired_prune.enqueue().id)
"""
STATUS = "SELECT status FROM django_tasks_database_dbtaskresult WHERE id = %s"
ODD = "p/w#?@:%&[ü]"
ODD_ENCODED = "p%2Fw%23%3F%40%3A%25%26%5B%C3%BC%5D"


class TlsPostgres(Postgres):
    """A Postgres with a localhost certificate from the authority `authority`."""

    @property
    def authority(self) -> Path:
        """The authority's certificate, which the clients trust."""
        return self.directory / "ca.pem"

    def _prepare(self) -> None:
        super()._prepare()
        there = self.directory
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        _run([*new, "-x509", "-days", "1", "-subj", "/CN=test", "-keyout", there / "ca.key", "-out", self.authority])
        _run([*new, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", there / "key.pem",
              "-out", there / "request"])  # fmt: skip
        _run(["openssl", "x509", "-req", "-in", there / "request", "-CA", self.authority, "-CAkey", there / "ca.key",
              "-days", "1", "-copy_extensions", "copy", "-out", there / "certificate.pem"])  # fmt: skip
        self.directory.chmod(0o711)
        (there / "key.pem").chmod(0o600)
        if self.user:
            owner = pwd.getpwnam(self.user)
            for name in ("key.pem", "certificate.pem"):
                os.chown(there / name, owner.pw_uid, owner.pw_gid)

    def _command(self) -> list[str | Path]:
        files = {"ssl_cert_file": "certificate.pem", "ssl_key_file": "key.pem"}
        options = [part for name, file in files.items() for part in ("-c", f"{name}={self.directory / file}")]
        return [*super()._command(), "-c", "ssl=on", *options]


def _run(command: list[str | Path]) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def postgres() -> Iterator[TlsPostgres]:
    with TlsPostgres() as running:
        with psycopg.connect(running.url(), autocommit=True, connect_timeout=5) as connection:
            connection.execute(sql.SQL("CREATE ROLE odd LOGIN SUPERUSER PASSWORD {}").format(ODD))
        yield running


@pytest.fixture(scope="module")
def standby(postgres: TlsPostgres) -> Iterator[Postgres]:
    with Standby(postgres) as running:
        yield running


@pytest.fixture(scope="module")
def migrated(postgres: TlsPostgres) -> str:
    url = postgres.create_database()
    manage("migrate", "--no-input", env=base_environment() | {"DATABASE_URL": url, "SECRET_KEY": os.environ["SECRET_KEY"]})
    return urlsplit(url).path.lstrip("/")


Form = Callable[[TlsPostgres, str], str]
FORMS: dict[str, Form] = {
    "plain": lambda at, name: f"postgres://hubbub:{at.password}@127.0.0.1:{at.port}/{name}",
    "long scheme": lambda at, name: f"postgresql://hubbub:{at.password}@localhost:{at.port}/{name}",
    "odd password": lambda at, name: f"postgres://odd:{ODD_ENCODED}@127.0.0.1:{at.port}/{name}",
    "socket": lambda at, name: f"postgres://hubbub:{at.password}@/{name}?host={at.directory}&port={at.port}",
    "encoded socket": lambda at, name: f"postgres://hubbub:{at.password}@{_encoded(at.directory)}:{at.port}/{name}",
    "require": lambda at, name: f"{at.url(name)}?sslmode=require",
    "verify-full": lambda at, name: (
        f"postgres://hubbub:{at.password}@localhost:{at.port}/{name}?sslmode=verify-full&sslrootcert={at.authority}"
    ),
    "options": lambda at, name: f"{at.url(name)}?application_name=chat&options=-c%20work_mem%3D8MB",
}


def _encoded(directory: Path) -> str:
    return str(directory).replace("/", "%2F")


@pytest.fixture
def start(profile: Profile, tmp_path: Path) -> Iterator[Callable[[str], tuple[Server, Process]]]:
    """Start a server and a background worker on a DATABASE_URL."""
    with ExitStack() as exits:

        def both(url: str) -> tuple[Server, Process]:
            server = Server(profile, {"DATABASE_URL": url, "WEB_CONCURRENCY": "1"})
            exits.callback(server.close)
            server.start()
            env = base_environment() | server.env
            process = Process([sys.executable, ROOT / "app" / "manage.py", "worker"], env=env, log=tmp_path / "log", cwd=ROOT)
            exits.callback(process.kill)
            return server, process

        yield both


async def serves(server: Server, worker: Process, database: str) -> None:
    """Use the ORM, the pools of the loop, migrations and background tasks.

    `database`: a plain URL of the same database.
    """
    ada = await sign_up(server.base_url)
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.join("lobby")
        assert (await chat.send("lobby", "hello"))["seq"] >= 1
    task = manage("shell", "-v", "0", "-c", CHECK_AND_ENQUEUE, env=server.env).strip()
    deadline = monotonic() + 60
    with psycopg.connect(database, autocommit=True, connect_timeout=5) as connection:
        while connection.execute(STATUS, [task]).fetchone() != ("SUCCESSFUL",):
            assert monotonic() < deadline, worker.tail()
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("form", FORMS)
async def test_form_of_the_url_works_for_the_whole_server(
    form: str, postgres: TlsPostgres, migrated: str, start: Callable[[str], tuple[Server, Process]]
) -> None:
    name = urlsplit(postgres.create_database(template=migrated)).path.lstrip("/")
    server, worker = start(FORMS[form](postgres, name))
    await serves(server, worker, postgres.url(name))
    if form in {"require", "verify-full"}:
        with psycopg.connect(postgres.url(name), connect_timeout=5) as connection:
            plain = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = %s AND NOT ssl"
            mine = connection.info.backend_pid
            assert connection.execute(f"{plain} AND pid <> %s", [name, mine]).fetchone() == (0,)


async def test_primary_is_chosen_from_several_hosts(
    postgres: TlsPostgres, standby: Postgres, migrated: str, start: Callable[[str], tuple[Server, Process]]
) -> None:
    name = urlsplit(postgres.create_database(template=migrated)).path.lstrip("/")
    hosts = f"127.0.0.1:{free_port()},127.0.0.1:{standby.port},127.0.0.1:{postgres.port}"
    server, worker = start(f"postgres://hubbub:{postgres.password}@{hosts}/{name}")
    await serves(server, worker, postgres.url(name))


def test_certificate_for_another_name_is_refused(postgres: TlsPostgres, migrated: str) -> None:
    url = f"{postgres.url(migrated)}?sslmode=verify-full&sslrootcert={postgres.authority}"
    env = base_environment() | {"DATABASE_URL": url, "SECRET_KEY": os.environ["SECRET_KEY"]}
    with pytest.raises(RuntimeError, match="does not match host name") as refused:
        manage("migrate", "--check", env=env)
    assert postgres.password not in str(refused.value)
