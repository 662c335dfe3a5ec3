"""The product as a process on a free port, with its own data.

server = Server(profile, {"LIMIT_MESSAGES_PER_S": "5"})
server.start()             # returns when /readyz says 200
server.base_url            # http://127.0.0.1:PORT
server.ws_url("/ws/")      # ws://127.0.0.1:PORT/ws/
server.shell("print(1)")   # runs lines in a `manage.py shell` of its settings
server.stop()              # SIGTERM, waits at most 30 s; returns the exit code
server.kill()              # SIGKILL to the whole process group; start() again finds the data
server.close()             # kill, and remove the data
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.support.django_shell import DjangoShell
from tests.support.leftovers import own_directory
from tests.support.ports import free_port
from tests.support.processes import Process, StartError
from tests.support.profile import Profile
from tests.support.services import Postgres, Redis

ROOT = Path(__file__).resolve().parents[2]
_ATTEMPTS = 3  # another process may take the free port first
_START_TIMEOUT = 60

# All tests share one address: their users together would exceed the limits by address.
# Some users live through the whole run and make rooms for many tests.
_LIFTED = {"LIMIT_SIGNUPS_PER_H": "0", "LIMIT_HANDSHAKES_PER_S": "0", "LIMIT_ROOMS_PER_H": "0"}


class Server:
    """One Gunicorn with its workers, database and (in the postgres profile) a Redis."""

    def __init__(self, profile: Profile, env: Mapping[str, str] | None = None) -> None:
        """Prepare data for a server of this profile.

        `env` adds to its environment and overrides it.
        """
        self._exits = ExitStack()
        self.data_dir = own_directory("server")
        self._exits.callback(shutil.rmtree, self.data_dir, ignore_errors=True)
        self.redis: Redis | None = None
        self._process: Process | None = None
        self.port = 0
        try:
            self.env = self._environment(profile, env or {})
        except BaseException:
            self.close()
            raise
        shell = DjangoShell(ROOT, lambda: self.env, self.data_dir / "shell.log")
        self._exits.callback(shell.close)
        self.shell = shell.run

    @property
    def base_url(self) -> str:
        """Return the address of the server, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def ws_url(self, path: str = "/ws/") -> str:
        """Return the WebSocket address of a path with an optional query."""
        return f"ws://127.0.0.1:{self.port}{path}"

    @property
    def process(self) -> Process:
        """Return the running server's process: pid, members(), send(signal), tail()."""
        if self._process is None:
            raise RuntimeError("the server was never started")
        return self._process

    @property
    def log(self) -> str:
        """Return the server's log so far."""
        return (self.data_dir / "server.log").read_text(errors="replace")

    def start(self, *, ready: bool = True) -> None:
        """Start on the same port.

        By default wait up to 60 s for /readyz, or raise StartError with the log.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            self.port = self.port or free_port()
            try:
                self._start()
                if ready:
                    self.wait_until_ready()
            except StartError as error:
                self.process.kill()
                if attempt == _ATTEMPTS or "in use" not in str(error):
                    raise
                self.port = 0
            else:
                return

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit code; raises TimeoutError after 30 s."""
        return self.process.stop(number, timeout=30)

    def kill(self) -> None:
        """Kill all its processes, like a power cut."""
        self.process.kill()

    def close(self) -> None:
        """End it if it runs and remove its data."""
        if self._process:
            self._process.kill()
        self._exits.close()

    def ready(self) -> bool:
        """Return whether /readyz answers 200 now."""
        try:
            return httpx.get(f"{self.base_url}/readyz", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _start(self) -> None:
        # Not in shared memory as in production: the leftovers of a killed run must go with its data.
        env = {"PROMETHEUS_MULTIPROC_DIR": str(self.data_dir / "metrics"), "RUNTIME_DIR": str(self.data_dir / "run")}
        env |= {"PUBLIC_URL": self.base_url} | self.env | {"PORT": str(self.port)}
        command = [ROOT / "scripts" / "run_gunicorn.sh"]
        self._process = Process(command, env=env, log=self.data_dir / "server.log", cwd=ROOT)

    def wait_until_ready(self) -> None:
        """Wait for /readyz."""
        self.process.wait_until(self.ready, timeout=_START_TIMEOUT, what="the server")

    def _environment(self, profile: Profile, extra: Mapping[str, str]) -> dict[str, str]:
        env = base_environment() | _LIFTED | {"DATA_DIR": str(self.data_dir), "WEB_CONCURRENCY": str(profile.workers)}
        env["STATIC_ROOT"] = str(_front_end(profile))
        if profile.postgres is None:
            shutil.copytree(migrated_directory(profile), self.data_dir, dirs_exist_ok=True)
        else:
            self.redis = self._exits.enter_context(Redis())
            env["DATABASE_URL"] = profile.postgres.create_database(template=_migrated_database(profile.postgres))
            env["REDIS_URL"] = self.redis.url
            env["SECRET_KEY"] = os.environ["SECRET_KEY"]
        return {**env, **extra}


def base_environment() -> dict[str, str]:
    """Return the environment of a child without the product's settings.

    This interpreter is first on the PATH.
    """
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PATH": path, "PYTHONUNBUFFERED": "1"}


def manage(*arguments: str, env: Mapping[str, str], timeout: float = 120, root: Path = ROOT) -> str:
    """Run `manage.py …` of the checkout at `root`.

    Return its output or raise RuntimeError with it.
    """
    command = [sys.executable, str(root / "app" / "manage.py"), *arguments]
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, timeout=timeout, check=False, cwd=root)
    if done.returncode != 0:
        raise RuntimeError(f"manage.py {' '.join(arguments)} failed\n{done.stdout}{done.stderr}")
    return done.stdout


@cache
def _front_end(profile: Profile) -> Path:
    """Return the built front end.

    Collecting and compressing it takes longer than most tests.
    """
    link = profile.data_dir / "static"
    link.symlink_to(ROOT / "frontend" / "dist")  # Django refuses the folder itself, from which it collects static files
    return link


@cache
def migrated_directory(profile: Profile) -> Path:
    """Migrate SQLite once a run; every server starts with a copy.

    The first process of the run that asks for it migrates.
    """
    directory, made = profile.run_dir / "template", profile.run_dir / "template.made"
    with (profile.run_dir / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(directory, ignore_errors=True)  # of a process that failed
            directory.mkdir()
            manage("migrate", "--no-input", env=base_environment() | {"DATA_DIR": str(directory)})
            made.touch()
    return directory


@cache
def _migrated_database(postgres: Postgres) -> str:
    """Migrate a Postgres database once a run and return its name.

    Every server gets a copy.
    """
    url = postgres.create_database()
    env = base_environment() | {"DATABASE_URL": url, "SECRET_KEY": os.environ["SECRET_KEY"]}
    with tempfile.TemporaryDirectory(prefix="hubbub-migrate-") as directory:
        manage("migrate", "--no-input", env=env | {"DATA_DIR": directory})
    return urlsplit(url).path.lstrip("/")
