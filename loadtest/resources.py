"""Read the servers' resource use before and after a run, for the difference.

There are two sources, which can be combined: /metrics of each web replica (each worker's processor time and memory, lateness of
its loop, commits), and the containers of a compose project (processor time and memory of their control groups, including nginx,
Redis and Postgres). Reading uses HTTP and `docker`, with time limits; unreadable parts are left out and named.
"""

import json
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from loadtest.values import BadOption

_TIMEOUT = 10.0
_BLIND = (
    "nginx, Redis and Postgres: /metrics is web's alone. PROJECT reads the containers of this machine; "
    "a cluster's are in its own monitoring (or in kubectl top pod, while the last runs go on)"
)
_CGROUP = """
cd /sys/fs/cgroup
if [ -e cpu.stat ] && grep -q usage_usec cpu.stat; then
  echo usage $(grep -o '^usage_usec.*' cpu.stat | cut -d' ' -f2)000
  echo limit $(cat cpu.max 2>/dev/null)
  echo memory $(cat memory.current 2>/dev/null)
else
  echo usage $(cat cpuacct/cpuacct.usage cpu,cpuacct/cpuacct.usage 2>/dev/null | head -n 1)
  echo limit $(cat cpu/cpu.cfs_quota_us cpu,cpuacct/cpu.cfs_quota_us 2>/dev/null | head -n 1) \
    $(cat cpu/cpu.cfs_period_us cpu,cpuacct/cpu.cfs_period_us 2>/dev/null | head -n 1)
  echo memory $(cat memory/memory.usage_in_bytes 2>/dev/null)
fi
"""


@dataclass
class Reading:
    """All figures at one moment.

    cpu: seconds used so far by each part (`web 1`, `nginx 1`, `worker 17 at host:port`). cores: each part's limit, if any.
    memory: bytes. counters: sums of /metrics over all replicas. lag: the latest loop's lateness in seconds.
    """

    at: float = field(default_factory=time.perf_counter)
    cpu: dict[str, float] = field(default_factory=dict)
    cores: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    counters: dict[str, float] = field(default_factory=dict)
    lag: float = 0.0
    unreadable: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Servers:
    """The sources of figures.

    replicas: addresses (http://host:port, /metrics is added). project: the name of a compose project.
    """

    replicas: tuple[str, ...] = ()
    project: str = ""

    @classmethod
    def of(cls, url: str, metrics: str, project: str) -> "Servers":
        """Choose the sources.

        METRICS, else the project's replicas, else the server, which may refuse.

        Raises BadOption if the project has no containers here: no resource could be read or found exhausted.
        """
        replicas = _replicas(project) if project else (url,)
        named = tuple(part.strip().rstrip("/").removesuffix("/metrics") for part in metrics.split(",") if part.strip())
        return cls(named or replicas, project)

    @property
    def blind(self) -> list[str]:
        """Return the parts without figures.

        /metrics of the app has none of nginx, Redis and Postgres.
        """
        if self.project:
            return []
        return [_BLIND]

    def read(self, *, containers: bool = True) -> Reading:
        """Read all figures now.

        Without the containers this is cheap enough for once a second.
        """
        reading = Reading()
        for replica in self.replicas:
            _read_metrics(replica, reading)
        if self.project and containers:
            _read_containers(self.project, reading)
        return reading


def _read_metrics(replica: str, reading: Reading) -> None:
    try:
        with urllib.request.urlopen(f"{replica}/metrics", timeout=_TIMEOUT) as answer:  # noqa: S310  # http(s) only
            samples = [s for family in text_string_to_metric_families(answer.read().decode()) for s in family.samples]
    except (OSError, ValueError) as error:
        reading.unreadable.append(f"{replica}/metrics: {str(error) or 'answers something else'}")
        return
    for sample in samples:
        _take(sample.name, sample.labels, sample.value, replica.partition("//")[2], reading)


def _take(name: str, labels: dict[str, str], value: float, replica: str, reading: Reading) -> None:
    worker = f"worker {labels.get('worker', '')} at {replica}"
    if name == "hubbub_worker_cpu_seconds":
        reading.cpu[worker], reading.cores[worker] = value, 1.0
    elif name == "hubbub_worker_resident_bytes":
        reading.memory[worker] = value
    elif name == "hubbub_loop_lag_seconds":
        reading.lag = max(reading.lag, value)
    elif name.startswith("hubbub_") and "le" not in labels:
        reading.counters[name] = reading.counters.get(name, 0.0) + value


def _containers(project: str) -> list[dict[str, Any]]:
    wanted = f"label=com.docker.compose.project={project}"
    names = _docker("ps", "--quiet", "--filter", wanted).split()
    found: list[dict[str, Any]] = json.loads(_docker("inspect", *names)) if names else []
    return sorted(found, key=_part)


def _part(container: dict[str, Any]) -> str:
    labels = container["Config"]["Labels"]
    return f"{labels['com.docker.compose.service']} {labels['com.docker.compose.container-number']}"


def _replicas(project: str) -> tuple[str, ...]:
    """Return the project's web containers by addresses for this host.

    Raises BadOption if there are none.
    """
    try:
        containers = _containers(project)
        known = set(_docker("ps", "--format", '{{.Label "com.docker.compose.project"}}').split())
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip()
        raise BadOption(f"PROJECT={project!r}: docker cannot be asked on this machine: {said}") from error
    if not containers:
        there = ", ".join(sorted(known)) or "none"
        raise BadOption(f"PROJECT={project!r} has no running containers; running projects of compose: {there}")
    addresses = []
    for container in containers:
        networks = container["NetworkSettings"]["Networks"].values()
        if _part(container).startswith("web "):
            addresses += [f"http://{network['IPAddress']}:8000" for network in networks if network["IPAddress"]][:1]
    return tuple(addresses)


def _read_containers(project: str, reading: Reading) -> None:
    try:
        containers = _containers(project)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        reading.unreadable.append(f"containers of {project}: {error}")
        return
    for container in containers:
        part = _part(container)
        try:
            lines = [line.split() for line in _docker("exec", container["Id"], "sh", "-c", _CGROUP).splitlines()]
        except (OSError, subprocess.SubprocessError) as error:
            reading.unreadable.append(f"{part}: {error}")
            continue
        measures = {words[0]: words[1:] for words in lines if words}
        if measures.get("usage"):
            reading.cpu[part] = int(measures["usage"][0]) / 1e9
        if measures.get("memory"):
            reading.memory[part] = float(measures["memory"][0])
        quota = [int(word) for word in measures.get("limit", []) if word.lstrip("-").isdigit()]
        if len(quota) == 2 and quota[0] > 0:
            reading.cores[part] = quota[0] / quota[1]


def _docker(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603  # our own arguments
        ["docker", *arguments],  # noqa: S607  # as the person who runs this has it
        capture_output=True, text=True, timeout=_TIMEOUT, check=True,
    )  # fmt: skip
    return done.stdout
