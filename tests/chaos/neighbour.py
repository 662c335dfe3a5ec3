"""A second installation on the stack's Redis and Postgres, with equal ids.

The data of one must never be visible in the other, also not after faults of shared parts.
"""

import random
import subprocess
from collections.abc import Sequence
from time import monotonic, sleep
from typing import Self

import httpx

from tests.chaos.chaos_stack import ChaosStack
from tests.chaos.crowd import Crowd, Size
from tests.chaos.records import Row
from tests.stack.rolling import docker
from tests.stack.stack import ROOT
from tests.support.ports import free_port

DATABASE = "neighbour"
START_S = 90.0
# Messages a second for each room: enough to be visible, with little load.
RATE = 0.2


class Neighbour:
    """A container of web's image on a copy of the database, past nginx.

    It has another installation id.
    """

    def __init__(self, stack: ChaosStack, *, own_id: bool = True) -> None:
        """`own_id`: False plants a fault: both installations have the same id."""
        self.stack, self.own_id = stack, own_id
        self.name = f"{stack.project}-neighbour"
        self.url = f"http://127.0.0.1:{free_port()}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.remove()

    def start(self) -> None:
        """Copy the database with its users and serve it."""
        copy = f"createdb -U postgres {DATABASE} && pg_dump -U postgres hubbub | psql -qU postgres -v ON_ERROR_STOP=1 {DATABASE}"
        copied = self.stack.exec("postgres", "sh", "-c", copy)
        assert copied.returncode == 0, copied.stderr
        web = self.stack.running("web")[0]
        given = dict(line.split("=", 1) for line in web["Config"]["Env"] if "=" in line)
        given |= {name: self.stack.secret(name) for name in ("SECRET_KEY", "REDIS_URL")}
        given |= {"DATABASE_URL": f"{self.stack.secret('DATABASE_URL').rpartition('/')[0]}/{DATABASE}", "PUBLIC_URL": self.url}
        given |= {"DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONPATH": "/srv/hubbub/app", "WEB_CONCURRENCY": "1"}
        options = [part for name, value in given.items() for part in ("--env", f"{name}={value}")]
        options += ["--tmpfs", "/tmp:mode=1777", "--publish", f"{self.url.removeprefix('http://')}:8000"]
        network = f"{self.stack.project}_"
        docker("create", "--name", self.name, "--network", f"{network}edge", *options, web["Config"]["Image"])
        docker("network", "connect", f"{network}data", self.name)
        docker("start", self.name)
        if self.own_id:
            docker("exec", self.name, "python", "app/manage.py", "installation", "--new")
            docker("restart", self.name)
        self._wait_ready()

    def remove(self) -> None:
        """End it and save its log; the stack removes its database."""
        kept = ROOT / "artifacts" / "chaos"
        kept.mkdir(parents=True, exist_ok=True)
        with (kept / "neighbour.log").open("wb") as log:  # most of it goes to stderr
            subprocess.run(["docker", "logs", self.name], stdout=log, stderr=log, timeout=120, check=False)
        docker("rm", "--force", "--volumes", self.name)
        self.stack.exec("postgres", "dropdb", "-U", "postgres", "--if-exists", "--force", DATABASE)

    def crowd(self, prefix: str, tokens: Sequence[str], size: Size, chance: random.Random) -> Crowd:
        """Return a small crowd in rooms with the stack's names."""
        people = Size(2 * size.rooms, size.rooms, RATE)
        return Crowd(self.url, tokens, people, prefix=prefix, chance=chance, label="n")

    def align(self) -> None:
        """Give the next room the same id in both: a crash of Postgres skips ids."""
        highest = 0
        for database in ("hubbub", DATABASE):
            highest = max(highest, int(self._ask("SELECT last_value FROM rooms_room_id_seq", database)))
        for database in ("hubbub", DATABASE):
            self._ask(f"SELECT setval('rooms_room_id_seq', {highest})", database)

    def shares_ids(self, prefix: str) -> bool:
        """Return whether the rooms with this prefix have the same ids in both."""
        statement = f"SELECT string_agg(id || slug, ' ' ORDER BY id) FROM rooms_room WHERE slug LIKE '{prefix}%'"
        here, there = (self._ask(statement, database) for database in ("hubbub", DATABASE))
        return bool(here) and here == there

    def read_log(self, prefix: str) -> dict[str, list[Row]]:
        """Read its log like the stack's."""
        return self.stack.read_log(prefix, DATABASE)

    def _ask(self, statement: str, database: str) -> str:
        answer = self.stack.psql(statement, user="postgres", database=database)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    def _wait_ready(self) -> None:
        deadline = monotonic() + START_S
        while True:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).is_success:
                    return
            except httpx.TransportError:
                pass
            assert monotonic() < deadline, docker("logs", self.name)[-3000:]
            sleep(0.5)
