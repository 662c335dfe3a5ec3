"""Real Postgres and Redis for tests: private, on free ports, removed afterwards.

    with Postgres() as postgres, Redis() as redis:
        env = {"DATABASE_URL": postgres.create_database(), "REDIS_URL": redis.url}

Both can be stopped, started again on the same port, frozen, thawed and killed.
`Standby(postgres)` replicates it and can be promoted.
"""

import os
import pwd
import secrets
import shutil
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self

import psycopg
import redis
from psycopg import sql

from tests.support.leftovers import own_directory
from tests.support.ports import accepts, free_port
from tests.support.processes import Process, StartError, start_on_free_ports

_START_TIMEOUT = 30


class MissingService(RuntimeError):
    """A missing program; the message names the package."""


class Service(ABC):
    """A daemon with its own port and directory.

    It starts on entering and is removed on leaving.
    """

    name: str
    user: str | None = None

    def __init__(self) -> None:
        self.password = secrets.token_hex(8)
        self.port = 0
        self.directory = own_directory(self.name)
        self._process: Process | None = None

    def __enter__(self) -> Self:
        try:
            self._prepare()
            start_on_free_ports(self._start_on_some_port)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Start on the same port; raises StartError with the output after 30 s."""
        self._process = Process(self._command(), env=_clean_env(), log=self.directory / "log", user=self.user)
        self._process.wait_until(self._ready, timeout=_START_TIMEOUT, what=self.name)

    def stop(self) -> None:
        """Drop every connection and end it; the data stays for `start`."""
        if self._process:
            self._process.stop(signal.SIGINT, timeout=20)

    def kill(self) -> None:
        """End it as a power cut would: nothing is finished, clients get no notice."""
        if self._process:
            self._process.kill()

    def freeze(self) -> None:
        """Freeze it: connections stay open without answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue after `freeze`."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its files."""
        if self._process:
            self._process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        self._process.send_all(number)

    def _start_on_some_port(self) -> None:
        self.port = free_port()
        self.start()

    def _prepare(self) -> None:
        """Make the files that the daemon needs before its first start."""

    @abstractmethod
    def _command(self) -> list[str | Path]:
        """Return the command that runs it in the foreground."""

    @abstractmethod
    def _ready(self) -> bool:
        """Return whether it answers."""


class Postgres(Service):
    """One Postgres cluster, with databases from `create_database`."""

    name = "postgres"

    def __init__(self, *, sync: bool = False) -> None:
        """`sync`: a commit waits for the disk, as in production."""
        super().__init__()
        self.user = _unprivileged_user()
        self._sync = sync
        self._binaries = _postgres_binaries()
        self._made = 0

    def url(self, database: str = "postgres") -> str:
        """Return the `postgres://…` URL of a database."""
        return f"postgres://hubbub:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, *, template: str = "template1") -> str:
        """Make an empty database, or a copy of `template`, and return its URL."""
        self._made += 1
        name = f"hubbub_{self._made}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with psycopg.connect(self.url(), autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement)
        return self.url(name)

    def _prepare(self) -> None:
        password_file = self.directory / "password"
        password_file.write_text(self.password)
        if self.user:
            owner = pwd.getpwnam(self.user)
            for path in (self.directory, password_file):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        command: list[str | Path] = [
            self._binaries / "initdb",
            "--pgdata",
            self.directory / "data",
            "--username=hubbub",
        ]
        command += [
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            "--no-sync",
        ]
        self._run(command, _clean_env())

    def _run(self, command: list[str | Path], env: dict[str, str]) -> None:
        process = Process(command, env=env, log=self.directory.with_suffix(".log"), user=self.user)
        try:
            if process.popen.wait(60) != 0:
                raise StartError(f"{command[0]} failed\n{process.tail()}")
        finally:
            process.log.unlink()

    def _command(self) -> list[str | Path]:
        # No test cuts the power, and fsync takes most of a small machine's time.
        fsync = "on" if self._sync else "off"
        options = ["-c", f"fsync={fsync}", "-c", "max_connections=200", "-c", "listen_addresses=127.0.0.1"]
        options += ["-c", f"unix_socket_directories={self.directory}"]
        return [self._binaries / "postgres", "-D", self.directory / "data", "-p", str(self.port), *options]

    def _ready(self) -> bool:
        if not accepts(self.port):
            return False
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class Standby(Postgres):
    """A synchronous standby of `primary` with all its commits."""

    name = "standby"

    def __init__(self, primary: Postgres) -> None:
        super().__init__()
        self.primary, self.password = primary, primary.password

    def __enter__(self) -> Self:
        super().__enter__()
        with psycopg.connect(self.primary.url(), autocommit=True, connect_timeout=5) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            deadline = monotonic() + _START_TIMEOUT
            while connection.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'").fetchone() is None:
                if monotonic() > deadline:
                    raise StartError("the standby does not follow its primary")
                sleep(0.05)
        return self

    def promote(self) -> None:
        """Make it a primary; raises StartError after 30 s."""
        with psycopg.connect(self.url(), autocommit=True, connect_timeout=5) as connection:
            if connection.execute("SELECT pg_promote(true, %s)", [_START_TIMEOUT]).fetchone() != (True,):
                raise StartError("the standby was not promoted")

    def _prepare(self) -> None:
        if self.user:
            owner = pwd.getpwnam(self.user)
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
        command: list[str | Path] = [self._binaries / "pg_basebackup", "--pgdata", self.directory / "data", "--no-sync"]
        command += ["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--host=127.0.0.1"]
        command += [f"--port={self.primary.port}", "--username=hubbub", "--no-password"]
        self._run(command, _clean_env() | {"PGPASSWORD": self.password})


class PgBouncer(Service):
    """A pooler before `postgres`: transactions share two connections."""

    name = "pgbouncer"

    def __init__(self, postgres: Postgres) -> None:
        super().__init__()
        self.postgres, self.user = postgres, postgres.user

    def url(self, database: str) -> str:
        """Return the `postgres://…` URL of a database through the pooler."""
        return self.postgres.url(database).replace(f":{self.postgres.port}/", f":{self.port}/")

    def _prepare(self) -> None:
        (self.directory / "users").write_text(f'"hubbub" "{self.postgres.password}"\n')
        if self.user:
            owner = pwd.getpwnam(self.user)
            for path in (self.directory, self.directory / "users"):
                os.chown(path, owner.pw_uid, owner.pw_gid)

    def _command(self) -> list[str | Path]:
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            raise MissingService("pgbouncer is not installed (package pgbouncer)")
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": self.directory / "users",
            "pool_mode": "transaction",
            "default_pool_size": 2,
            "max_client_conn": 200,
            "ignore_startup_parameters": "options",
        }
        lines = ["[databases]", f"* = host=127.0.0.1 port={self.postgres.port}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        configuration = self.directory / "pgbouncer.ini"
        configuration.write_text("\n".join(lines) + "\n")
        return [program, configuration]

    def _ready(self) -> bool:
        return accepts(self.port)


class Redis(Service):
    """One Redis without persistence.

    `options` are redis-server's, with _ for -.
    """

    name = "redis"

    def __init__(self, **options: str | Path) -> None:
        super().__init__()
        self._options = {name.replace("_", "-"): value for name, value in options.items()}

    @property
    def url(self) -> str:
        """Return the `redis://…` URL of database 0."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a synchronous client for inspection; close it."""
        return redis.Redis.from_url(self.url, socket_timeout=5)

    def _command(self) -> list[str | Path]:
        program = shutil.which("redis-server")
        if program is None:
            raise MissingService("redis-server is not installed (package redis-server)")
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self.directory} | self._options
        # A value of several words is several arguments.
        arguments = [part for name, value in options.items() for part in (f"--{name}", *(str(value).split(" ") or [""]))]
        return [program, *arguments, "--requirepass", self.password]

    def _ready(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def _postgres_binaries() -> Path:
    """Find the newest installed server.

    Debian keeps `initdb` and `postgres` off the PATH.
    """
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    if on_path is None:
        raise MissingService("the PostgreSQL server is not installed (package postgresql)")
    return Path(on_path).resolve().parent


def _unprivileged_user() -> str | None:
    """Return the account to run Postgres as: it refuses root.

    None unless we are root.
    """
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _clean_env() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


def missing_services() -> list[str]:
    """Return the missing packages for these services, one line each.

    Empty when all are installed.
    """
    missing = []
    try:
        _postgres_binaries()
    except MissingService as error:
        missing.append(str(error))
    if shutil.which("redis-server") is None:
        missing.append("redis-server is not installed (package redis-server)")
    return missing
