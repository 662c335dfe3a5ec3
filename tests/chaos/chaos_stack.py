"""The product's stack: two replicas of two workers, a fault point, root access.

Docker cannot kill one process or drop the packets of one container. This is done as root of the engine's machine,
which must be this one and run Linux.
"""

import csv
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.records import Row, shortened
from tests.stack.stack import ROOT, Answer, Stack, copy_checkout

REPLICAS, WORKERS = 2, 2
Container = dict[str, Any]

_CLOSED = re.compile(r"^hubbub_sockets_closed_total\{code=\"(\d+)\"\} (\S+)$", re.MULTILINE)
_LOG = """
    COPY (
        SELECT r.slug, e.seq, e.author_id, e.key, e.text, extract(epoch FROM pg_xact_commit_timestamp(e.xmin))
        FROM chat_event e JOIN rooms_room r ON r.id = e.room_id WHERE r.slug LIKE '{}%' ORDER BY r.id, e.seq
    ) TO STDOUT WITH (FORMAT csv)
"""


class ChaosStack(Stack):
    """`make up` with tests/chaos/compose.yaml added."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.project = self.project.replace("test", "chaos")
        self.marker = f"chaos-{secrets.token_hex(8)}"
        self.env |= {
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_FILE": "compose.yaml:tests/chaos/compose.yaml",
            "IMAGE_TAG": self.project,
            "CHAOS_MARKER": self.marker,
            "WEB_REPLICAS": str(REPLICAS),
            "WEB_CONCURRENCY": str(WORKERS),
            "DRAIN_SECONDS": "5",
        }

    @staticmethod
    def copy(directory: Path) -> None:
        """Copy all sources of the stack into `directory`."""
        copy_checkout(directory)
        target = directory / "tests" / "chaos"
        target.mkdir(parents=True)
        for name in ("compose.yaml", "faultpoint/__init__.py", "faultpoint/apps.py", "faultpoint/settings.py"):
            (target / name).parent.mkdir(exist_ok=True)
            (target / name).write_bytes((ROOT / "tests" / "chaos" / name).read_bytes())

    def seed(self, number: int) -> list[str]:
        """Make this many accounts and return their tokens."""
        answer = self.exec("web", "python", "app/manage.py", "seed", str(number))
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.split()

    # --- the stack's state

    def container(self, service: str) -> Container:
        """Return the one running container of a service."""
        (found,) = self.running(service)
        return found

    def running(self, service: str) -> list[Container]:
        """Return the running containers of a service."""
        return [container for container in self.containers(service) if container["State"]["Running"]]

    def workers(self, container: Container) -> list[int]:
        """Return the worker processes of a web container by their pid on the host."""
        (master,) = children(container["State"]["Pid"])  # process 1 is the image's init
        return children(master)

    def replica_is_ready(self, container: Container) -> bool:
        """Return whether this replica, asked past nginx, is ready and has all its workers."""
        try:
            url = f"http://{self.address(container, 'edge')}:8000/readyz"
            return len(self.workers(container)) >= WORKERS and httpx.get(url, timeout=2).status_code == httpx.codes.OK
        except (
            httpx.TransportError,
            OSError,
            ValueError,
        ):  # ValueError: a just restarted container has no master yet.
            return False

    def web_is_ready(self, replicas: int = REPLICAS) -> bool:
        """Return whether all replicas are running and ready."""
        web = self.running("web")
        return len(web) == replicas and all(map(self.replica_is_ready, web))

    def scale_web(self, replicas: int) -> None:
        """Change the number of web containers; return when the remaining ones are ready."""
        scale = ["--scale", f"web={replicas}"]
        answer = self.compose("up", "--detach", "--no-build", "--no-recreate", "--wait", *scale, timeout=180)
        assert answer.returncode == 0, answer.stderr

    def memory(self) -> float:
        """Return the unshared memory of the largest worker process in MiB."""
        pids = [pid for container in self.running("web") for pid in self.workers(container)]
        return max(map(private_mib, pids), default=0.0)

    def closed_by_web(self) -> Counter[int]:
        """Count the sockets closed by all web containers, by close code."""
        urls = [f"http://{self.address(container, 'edge')}:8000/metrics" for container in self.running("web")]
        closed: Counter[int] = Counter()
        for url in urls:
            for code, number in _CLOSED.findall(httpx.get(url, timeout=5).text):
                closed[int(code)] += int(float(number))
        return closed

    def read_log(self, prefix: str, database: str = "hubbub") -> dict[str, list[Row]]:
        """Read the log of each room with this prefix from the database itself."""
        answer = self.psql(_LOG.format(prefix), database=database)
        assert answer.returncode == 0, answer.stderr
        log: dict[str, list[Row]] = {}
        for room, seq, author, key, text, at in csv.reader(answer.stdout.splitlines()):
            log.setdefault(room, []).append(Row(room, int(seq), int(author), key, shortened(text), float(at)))
        return log

    def psql(self, statement: str, timeout: float = 30, *, user: str = "hubbub", database: str = "hubbub") -> Answer:
        """Run a statement in the database's own container."""
        options = [f"--username={user}", f"--dbname={database}", "--no-align", "--tuples-only", "--quiet"]
        return self.compose("exec", "-T", "postgres", "psql", *options, "--command", statement, timeout=timeout)

    def redis(self, *command: str) -> Answer:
        """Run a command in Redis' own container."""
        line = f"REDISCLI_AUTH=$(cat /run/secrets/REDIS_PASSWORD) redis-cli {' '.join(command)}"
        return self.compose("exec", "-T", "redis", "sh", "-c", line, timeout=10)

    # --- damage

    def docker(self, *command: str, timeout: float = 60) -> None:
        """Run docker; raises CalledProcessError when it fails."""
        subprocess.run(["docker", *command], check=True, capture_output=True, timeout=timeout)

    def cut(self, container: Container, addresses: Iterable[str]) -> None:
        """Drop every packet between a container and these addresses, without a reset."""
        self._packets(container, "--append", addresses)

    def mend(self, container: Container, addresses: Iterable[str]) -> None:
        """Remove the rules of `cut`."""
        self._packets(container, "--delete", addresses)

    def dropped(self, container: Container, addresses: Iterable[str]) -> int:
        """Count the packets dropped by the rules of `cut`; call it before `mend`."""
        inside = ["nsenter", "--net", "--target", str(container["State"]["Pid"])]
        rules = self.as_root(*inside, "iptables", "--wait", "--verbose", "--list-rules")
        return packets(rules, addresses)

    def cut_ports(self, container: Container, peer: str, ports: Sequence[int]) -> None:
        """Drop packets between a container and these ports of `peer`."""
        self._packets(container, "--append", [peer], ports)

    def mend_ports(self, container: Container, peer: str, ports: Sequence[int]) -> None:
        """Remove the rules of `cut_ports`."""
        self._packets(container, "--delete", [peer], ports)

    def _packets(self, container: Container, verb: str, addresses: Iterable[str], ports: Sequence[int] = ()) -> None:
        inside = ["nsenter", "--net", "--target", str(container["State"]["Pid"])]
        for address in addresses:
            for chain, direction in (("INPUT", "source"), ("OUTPUT", "destination")):
                rule = ["iptables", "--wait", verb, chain, f"--{direction}", address]
                for some in _by_fifteen(ports):
                    of = ["--protocol", "tcp", "--match", "multiport", f"--{direction}-ports", some] if some else []
                    self.as_root(*inside, *rule, *of, "--jump", "DROP")

    def gateway(self, container: Container, network: str) -> str:
        """Return the source address of this machine's packets in a container."""
        return str(container["NetworkSettings"]["Networks"][f"{self.project}_{network}"]["Gateway"])

    def kill(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a process from outside its container.

        Docker then restarts it, as after a crash.
        """
        self.as_root("kill", f"-{number.value}", str(pid))

    @staticmethod
    def as_root(*command: str) -> str:
        """Run a command as root of the engine's machine.

        Raises CalledProcessError when it fails.
        """
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout

    def remove(self) -> None:
        """Save the logs as the base class does, under a name of their own."""
        kept = ROOT / "artifacts" / "chaos"
        kept.mkdir(parents=True, exist_ok=True)
        for service in ("web", "nginx", "redis", "postgres"):
            (kept / f"{service}.log").write_text(self.logs(service))
        self.script("clean", "--yes")
        images = [f"{self.project}-web:{self.project}", f"{self.project}-nginx:{self.project}"]
        subprocess.run(["docker", "image", "rm", "--force", *images], check=False, capture_output=True, timeout=60)


def why_not() -> str:
    """Return why this machine cannot run the suite; empty when it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return (
            "killing single processes of containers and dropping their packets needs root, on Linux, on the engine's own machine"
        )
    missing = [program for program in ("docker", "iptables", "nsenter") if shutil.which(program) is None]
    return f"{', '.join(missing)} is not installed" if missing else ""


def _by_fifteen(ports: Sequence[int]) -> list[str]:
    """Split ports into iptables' lists of at most fifteen.

    Without ports, one empty list.
    """
    return [",".join(map(str, ports[first : first + 15])) for first in range(0, len(ports), 15)] or [""]


def packets(rules: str, addresses: Iterable[str]) -> int:
    """Count the packets matched by rules about these addresses.

    `rules` is iptables' listing with its counters.
    """
    found = re.findall(r"^-A .*?-[sd] (\S+)/32 .*?-c (\d+) \d+ .*-j DROP$", rules, re.MULTILINE)
    wanted = set(addresses)
    return sum(int(count) for address, count in found if address in wanted)


# What reading a file of /proc raises: before it is open, and after.
GONE = (FileNotFoundError, ProcessLookupError)


def children(pid: int) -> list[int]:
    """Return the children of a process, of all its threads; none when it is gone."""
    found = []
    for threads in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(*GONE):
            found += [int(child) for child in threads.read_text().split()]
    return found


def open_sockets(pid: int) -> int:
    """Return how many sockets a process has open; 0 when it is gone."""
    found = 0
    for file in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(*GONE):
            found += str(file.readlink()).startswith("socket:")
    return found


def descendants(pid: int) -> list[int]:
    """Return all descendants of a process, the deepest last."""
    found = children(pid)
    return [*found, *(below for child in found for below in descendants(child))]


def command_line(pid: int) -> str:
    """Return the command line of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except GONE:
        return ""


def private_mib(pid: int) -> float:
    """Return a process's memory without shared file pages in MiB; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except GONE:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def machine() -> str:
    """Describe the machine: cores, memory, engine."""
    engine = subprocess.run(
        ["docker", "version", "--format", "{{json .Server}}"], check=True, capture_output=True, text=True, timeout=30
    )
    total = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return (
        f"{os.cpu_count()} cores, {total / 2**20:.0f} GB of memory, Docker {json.loads(engine.stdout)['Version'].split('+')[0]}"
    )
