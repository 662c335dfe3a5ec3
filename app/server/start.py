"""Start the web server: scripts/run_gunicorn.sh.

Work out how many workers this machine can carry, then become Gunicorn.

Standard library only: it takes a twentieth of a second.
"""

from __future__ import annotations

import os
import re
import resource
import shlex
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from core.client_network import NETWORKS, network_of
from server import sizing

ROOT = Path(__file__).resolve().parents[2]
USAGE = """\
Usage: scripts/run_gunicorn.sh [--print | --help]

Starts Gunicorn with one worker for each whole CPU core this process may really use. That is the smaller of
  - the cores it is allowed on (affinity: taskset, cpusets), and
  - its CPU quota (cgroup v2 cpu.max or v1 cpu.cfs_quota_us; of nested groups the tightest), rounded down, at least 1.
Rounded down, because a worker is one event loop and a loop without a core of its own stalls for the rest of each
quota period, which every socket on it feels. The count is bounded by memory (the cgroup's limit or the machine's,
divided by WORKER_MEMORY_MB) and by WEB_CONCURRENCY_MAX. Without REDIS_URL it is 1: workers could not meet.

  --print  show the findings, the rule that decided and the command, without running it
  --help   this text

Variables (defaults)
  WEB_CONCURRENCY (derived)  number of workers; stands above every rule, needs REDIS_URL when above 1
  WEB_CONCURRENCY_MAX (16)   upper bound of the derived number
  WORKER_MEMORY_MB (256)     MiB set aside for a worker when memory bounds the number
  WORKER_MEMORY_MAX_MB (derived)  MiB above which a worker hands over to a fresh one; 0: never. Derived: the memory
                             less WORKER_MEMORY_MB for the successor, shared by the workers, at most 2048
  HOST (127.0.0.1), PORT (8000)
  DRAIN_SECONDS (25)         time a stopping worker has to hand over its sockets
  TRUSTED_PROXIES (127.0.0.1)  comma separated addresses and networks whose X-Forwarded-* headers are believed
  LOG_LEVEL (info)           debug, info, warning or error
  PROMETHEUS_MULTIPROC_DIR   where workers share metrics; unset: a fresh private directory; set: emptied first
"""
_WHOLE = re.compile("[1-9][0-9]{0,6}")


class Refused(ValueError):
    """A variable or an argument is wrong; the message names it."""


@dataclass(frozen=True)
class Settings:
    host: str
    port: int
    drain_s: int
    worker_memory: int
    ceiling: int | None
    most: int
    asked: int | None
    proxies: str
    log_level: str
    shared_layer: bool
    # Where the kernel tells about us; tests point these at made-up trees.
    cgroups: Path
    proc: Path
    shared_memory: Path


def read(env: Mapping[str, str]) -> Settings:
    """Raises Refused."""

    def number(name: str, default: str, most: int) -> int:
        value = env.get(name) or default
        if not _WHOLE.fullmatch(value) or int(value) > most:
            raise Refused(f"{name} must be a positive integer, at most {most}; it is '{value}'")
        return int(value)

    def optional(name: str, most: int) -> int | None:
        return number(name, "", most) if env.get(name) else None

    settings = Settings(
        host=env.get("HOST") or "127.0.0.1",
        port=number("PORT", "8000", 65_535),
        drain_s=number("DRAIN_SECONDS", "25", 3_600),
        worker_memory=number("WORKER_MEMORY_MB", "256", 2**20),
        ceiling=0 if env.get("WORKER_MEMORY_MAX_MB") == "0" else optional("WORKER_MEMORY_MAX_MB", 2**20),
        most=number("WEB_CONCURRENCY_MAX", "16", 9_999),
        asked=optional("WEB_CONCURRENCY", 9_999),
        proxies=_proxies(env.get("TRUSTED_PROXIES", "127.0.0.1")),  # set but empty: trust no proxy
        log_level=env.get("LOG_LEVEL") or "info",
        shared_layer=_names_redis(env, Path(env.get("SECRETS_ROOT") or "/run/secrets")),
        cgroups=Path(env.get("CGROUP_ROOT") or "/sys/fs/cgroup"),
        proc=Path(env.get("PROC_ROOT") or "/proc"),
        shared_memory=Path(env.get("SHM_ROOT") or "/dev/shm"),  # noqa: S108  # private directories are made in it
    )
    if (settings.asked or 1) > 1 and not settings.shared_layer:
        raise Refused(
            f"WEB_CONCURRENCY={settings.asked} needs REDIS_URL: without a shared layer people on different workers would not see"
            " each other"
        )
    return settings


def _proxies(value: str) -> str:
    """Return the proxies in a form that uvicorn reads.

    uvicorn would take any other form for a host name, and trust no proxy. Raises Refused.
    """
    found = []
    for item in filter(None, map(str.strip, value.split(","))):
        try:
            network = network_of(item)
        except ValueError:
            raise Refused(f"TRUSTED_PROXIES holds '{item}': use {NETWORKS}") from None
        one = network.prefixlen == network.max_prefixlen
        found.append(str(network.network_address if one else network))
    return ",".join(found)


def _names_redis(env: Mapping[str, str], secrets: Path) -> bool:
    """Return whether REDIS_URL is set, by the rules of config/environment.py.

    It is set by its name, by the name of a file, or by compose's mounted file if neither name is there.
    """
    if "REDIS_URL" in env or "REDIS_URL_FILE" in env:
        return bool(env.get("REDIS_URL") or env.get("REDIS_URL_FILE"))
    try:
        return bool((secrets / "REDIS_URL").read_text(encoding="utf-8-sig").strip())
    except OSError:
        return False


def command(settings: Settings, workers: int) -> list[str]:
    """Return Gunicorn's command.

    No --access-logfile: the proxy in front keeps the access log, and request lines here carry tokens in their query.
    """
    made = [sys.executable, "-m", "gunicorn", "config.asgi:application"]
    made += ["--config", str(ROOT / "app" / "server" / "gunicorn_conf.py"), "--chdir", str(ROOT / "app")]
    made += ["--worker-class", "server.worker.HubbubWorker", "--workers", str(workers)]
    made += ["--bind", _address(settings.host, settings.port), "--graceful-timeout", str(settings.drain_s)]
    made += ["--timeout", "30"]  # a loop silent for that long is stuck: its sockets are better off elsewhere
    made += ["--keep-alive", "75"]  # longer than a proxy keeps an idle connection, so that the proxy closes first
    made += ["--max-requests", "0"]  # recycling a worker drops all its sockets; it counts HTTP requests only anyway
    made += ["--forwarded-allow-ips", settings.proxies]
    made += ["--no-control-socket"]  # would be made under $HOME, which may be read-only
    made += ["--log-level", settings.log_level]
    if _is_writable(settings.shared_memory):
        made += ["--worker-tmp-dir", str(settings.shared_memory)]  # heartbeats must not wait for a disk
    return made


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _is_writable(directory: Path) -> bool:
    return directory.is_dir() and os.access(directory, os.W_OK)


def _metrics_parent(settings: Settings) -> Path:
    return settings.shared_memory if _is_writable(settings.shared_memory) else Path(tempfile.gettempdir())


def make_metrics_directory(settings: Settings, given: str | None) -> str:
    """Make an empty directory for the metrics of this run, and return its path.

    Counters of the run before would be added to this one's. Raises Refused for an operator's directory that cannot be used.
    """
    if not given:
        return tempfile.mkdtemp(prefix="hubbub-metrics.", dir=_metrics_parent(settings))
    directory = Path(given)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file in directory.glob("*.db"):
            file.unlink(missing_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise Refused(f"PROMETHEUS_MULTIPROC_DIR is {given}, which cannot be written to: {error.strerror}") from None
    return given


def allow_many_sockets() -> None:
    """Raise the limit of open files to the hard limit.

    Each socket is an open file, and the usual soft limit is 1024. The hard limit is the administrator's choice.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        sys.stderr.write(f"run_gunicorn: open files stay at {soft}; the hard limit is {hard}\n")


def facts(machine: sizing.Machine, decision: sizing.Decision, metrics: str, line: list[str]) -> str:
    """Return what --print shows."""
    quota = "none" if machine.quota is None else f"{machine.quota // 1000}.{machine.quota % 1000:03} cores"
    return "\n".join(
        [
            f"cores by affinity: {machine.cores}",
            f"CPU quota: {quota}",
            f"memory: {'unknown' if machine.memory is None else f'{machine.memory} MiB'}",
            f"workers: {decision.workers}",
            f"decided by: {decision.rule}",
            f"memory ceiling of a worker: {f'{decision.ceiling} MiB' if decision.ceiling else 'none'}",
            f"metrics directory: {metrics}",
            f"command: {shlex.join(line)}",
        ]
    )


def main(arguments: list[str]) -> None:
    if arguments in (["--help"], ["-h"]):
        sys.stdout.write(USAGE)
        return
    if arguments not in ([], ["--print"]):
        sys.stderr.write(USAGE)
        raise Refused(
            f"unknown argument {arguments[0]}" if len(arguments) == 1 else f"takes one argument at most, got {len(arguments)}"
        )
    settings = read(os.environ)
    machine = sizing.measure(settings.cgroups, settings.proc, os.environ)
    decision = sizing.decide(
        machine,
        asked=settings.asked,
        most=settings.most,
        worker_memory=settings.worker_memory,
        ceiling=settings.ceiling,
        shared_layer=settings.shared_layer,
    )
    line, given = command(settings, decision.workers), os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if arguments:
        sys.stdout.write(facts(machine, decision, given or f"a fresh one in {_metrics_parent(settings)}", line) + "\n")
        return
    become(line, settings, decision, make_metrics_directory(settings, given))


def become(line: list[str], settings: Settings, decision: sizing.Decision, metrics: str) -> NoReturn:
    allow_many_sockets()
    os.environ |= {
        "PROMETHEUS_MULTIPROC_DIR": metrics,
        "WORKER_MEMORY_MAX_MB": str(decision.ceiling),
        "HOST": settings.host,
        "PORT": str(settings.port),
    }
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # glibc gives every thread an arena of its own: 120 sign-ups took a worker from 84 to 287 MiB, with two arenas to 152.
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    os.execv(line[0], line)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as refusal:
        sys.stderr.write(f"run_gunicorn: {refusal}\n")
        sys.exit(2)
