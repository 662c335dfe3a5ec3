"""The product with production settings, and its baselines.

Each is started on the server's core.
"""

from __future__ import annotations

import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg

from bench import cpu
from bench.load import CannotMeasure, Client, Target
from tests.support.ports import accepts, free_port
from tests.support.processes import Process
from tests.support.server import base_environment, manage
from tests.support.services import Postgres, Redis

ROOT = Path(__file__).resolve().parents[1]
# Accounts per run; a larger room has several sockets of each.
PEOPLE = 1000
_LIFTED = dict.fromkeys(
    (
        "LIMIT_MESSAGES_PER_S",
        "LIMIT_CALLS_PER_S",
        "LIMIT_ROOMS_PER_H",
        "LIMIT_ROOMS_PER_USER",
        "LIMIT_SOCKETS_PER_USER",
        "LIMIT_HANDSHAKES_PER_S",
        "LIMIT_SIGNUPS_PER_H",
    ),
    "0",
)
_GREETED = (("expect", "0{"), ("send", "40"), ("expect", '40{"sid"'))
_JOINED = (("send", '42["join","{room}"]'), ("expect", '42["joined"'))
_SOCKETIO_CLIENT = Client(
    ["/socket.io/?EIO=4&transport=websocket"], _GREETED + _JOINED, '42["message","{room}","{text}"]', greeting=_GREETED
)
BASELINES: Mapping[str, tuple[Sequence[str], Client]] = {
    "tutorial": (
        (sys.executable, "tutorial.py"),
        Client(["/ws/chat/{room}/"], (), '{"message":"{text}"}'),
    ),
    "socket.io": (("node", "socketio.mjs"), _SOCKETIO_CLIENT),
    "ws": (("node", "ws.mjs"), Client(["/{room}"], (), "{text}")),
    "python-socketio": ((sys.executable, "python_socketio.py"), _SOCKETIO_CLIENT),
    "websockets": ((sys.executable, "websockets_broadcast.py"), Client(["/{room}"], (), "{text}")),
}


@contextmanager
def baseline(name: str, redis: Redis, postgres: Postgres | None = None) -> Iterator[Target]:
    """Start one of BASELINES; with `postgres` the tutorial stores each message first.

    It uses a database of its own.
    """
    command, client = BASELINES[name]
    port = free_port()
    env = base_environment() | {"PORT": str(port), "REDIS_URL": redis.url, "NODE_ENV": "production"}
    if postgres:
        env["DATABASE_URL"] = postgres.create_database()
    with tempfile.NamedTemporaryFile(prefix="hubbub-bench-") as log:
        with cpu.on_core(cpu.SERVER_CORE):
            process = Process(command, env=env, log=Path(log.name), cwd=ROOT / "bench" / "baselines")
        try:
            process.wait_until(lambda: accepts(port), timeout=30, what=name)
            shown = f"{name}, create per message" if postgres else name

            def pids() -> dict[str, list[int]]:
                stores = {"postgres": postgres_pids(postgres)} if postgres else {}
                return {"server": process.members(), "redis": redis_pids(redis)} | stores

            yield Target(shown, port, client, pids)
        finally:
            process.kill()


class Product:
    """Gunicorn with HubbubWorker on real Postgres and Redis.

    Authentication, membership, log and resume are included.
    """

    def __init__(
        self,
        postgres: Postgres,
        redis: Redis,
        *,
        workers: int = 1,
        env: Mapping[str, str] | None = None,
        name: str = "hubbub",
        root: Path = ROOT,
    ) -> None:
        """`root`: the checkout to run; `name`: the name of its figures."""
        self.postgres, self.redis = postgres, redis
        self.name, self._root = name, root
        self._directory = tempfile.TemporaryDirectory(prefix="hubbub-bench-")
        data = Path(self._directory.name)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._env = (
            base_environment()
            | _LIFTED
            | {
                "DATABASE_URL": postgres.create_database(),
                "REDIS_URL": redis.url,
                "SECRET_KEY": secrets.token_hex(32),
                "DATA_DIR": str(data),
                "STATIC_ROOT": str(data / "static"),
                "RUNTIME_DIR": str(data / "run"),
                "PORT": str(self.port),
                "PUBLIC_URL": self.url,
                "ALLOW_SEED": "1",
                "LOG_LEVEL": "warning",
                "WEB_CONCURRENCY": str(workers),
            }
            | dict(env or {})
        )
        manage("migrate", "--no-input", env=self._env, root=root)
        self.tokens = self.newcomers(PEOPLE)
        self.database_url = self._env["DATABASE_URL"]
        self._log = data / "server.log"
        self._rooms = 0
        self.process = self._start()

    def _start(self, env: Mapping[str, str] | None = None) -> Process:
        with cpu.on_core(cpu.SERVER_CORE):
            command = [self._root / "scripts" / "run_gunicorn.sh"]
            process = Process(command, env=self._env | dict(env or {}), log=self._log, cwd=self._root)
        process.wait_until(self._ready, timeout=60, what="the product")
        return process

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).is_success
        except httpx.TransportError:
            return False

    def restart(self, *, workers: int = 1) -> None:
        """Restart it on the same data."""
        self.process.kill()
        self.process = self._start({"WEB_CONCURRENCY": str(workers)})

    def on(self, postgres: Postgres) -> Product:
        """Start this checkout a second time, with its log on another server."""
        return Product(postgres, self.redis, name=self.name, root=self._root)

    def newcomers(self, number: int) -> list[str]:
        """Return tokens of new people without rooms.

        The people of `tokens` are members of every room they were measured in.
        """
        return manage("seed", str(number), env=self._env, timeout=300, root=self._root).split()

    def target(
        self, rooms: int, *, name: str = "", port: int | None = None, tls: bool = False, tokens: Sequence[str] = ()
    ) -> Target:
        """Return a target with `rooms` new public rooms.

        A client is ready once it has joined one.

        `tokens`: the people, if not all.
        """
        self._rooms += 1
        prefix = f"r{self._rooms}-"
        with httpx.Client(base_url=self.url, headers={"Authorization": f"Token {self.tokens[0]}"}, timeout=30) as http:
            for number in range(rooms):
                body = {"slug": f"{prefix}{number}", "title": f"Room {number}", "private": False}
                http.post("/api/rooms", json=body).raise_for_status()
        hello = (("expect", '"type":"hello"'),)
        client = Client(
            [f"/ws/\tAuthorization: Token {token}" for token in tokens or self.tokens],
            (
                *hello,
                ("send", '{"type":"room.join","room":"{room}","id":1}'),
                ("expect", '"type":"room.joined"'),
            ),
            '{"type":"message.send","room":"{room}","key":"{key}","text":"{text}"}',
            room=prefix + "%d",
            greeting=hello,
        )
        return Target(name or self.name, port or self.port, client, self.pids, tls)

    def sessions(self, number: int) -> list[str]:
        """Return request lines with session cookies of the newest people."""
        code = _SESSIONS.format(number=number)
        keys = manage("shell", "-v", "0", "-c", code, env=self._env, root=self._root).split()
        return [f"/ws/\tCookie: sessionid={key}\tOrigin: {self.url}" for key in keys]

    def pids(self) -> dict[str, list[int]]:
        """Return its pids: all except Gunicorn's master are workers.

        The master is idle while they serve.
        """
        return {"server": self.process.members(), "redis": redis_pids(self.redis), "postgres": postgres_pids(self.postgres)}

    def stored(self) -> int:
        """Return the number of messages in the log."""
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute("SELECT count(*) FROM chat_event").fetchone()
            return int(row[0]) if row else 0

    def close(self) -> None:
        """End it and remove its data."""
        self.process.kill()
        self._directory.cleanup()


def checkout(commit: str, folder: Path) -> Path:
    """Check out `commit` below `folder`, with this checkout's built front end.

    Return its root.

    Raises CannotMeasure if git does not know the commit.
    """
    parse = ["git", "rev-parse", "--short", f"{commit}^{{commit}}"]
    parsed = subprocess.run(parse, cwd=ROOT, capture_output=True, text=True, check=False)
    if parsed.returncode:
        raise CannotMeasure(f"BEFORE={commit}: {parsed.stderr.strip()}")
    root = folder / f"before-{parsed.stdout.strip()}"
    if not root.exists():
        subprocess.run(["git", "worktree", "prune"], cwd=ROOT, check=True)
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", root, commit], cwd=ROOT, check=True)
    if not (root / "frontend" / "dist").exists():
        shutil.copytree(ROOT / "frontend" / "dist", root / "frontend" / "dist")
    if not (root / ".venv").exists():
        (root / ".venv").symlink_to(ROOT / ".venv")
    return root


_SESSIONS = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.conf import settings
from django.contrib.auth import get_user_model
for user in get_user_model().objects.filter(username__startswith="seed-").order_by("-id")[:{number}]:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    print(session.session_key)
"""


def redis_pids(redis: Redis) -> list[int]:
    """Return the pid of its one process."""
    return redis._process.members() if redis._process else []  # noqa: SLF001


def postgres_pids(postgres: Postgres) -> list[int]:
    """Return the pids of its main process and of the backends."""
    return postgres._process.members() if postgres._process else []  # noqa: SLF001


def allow_files() -> None:
    """Raise the limit of open files, which includes sockets; children inherit it."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
