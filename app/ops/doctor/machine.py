"""The machine: clock, disk, open files, workers and their needs."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from django.conf import settings
from django.db import connection

from core.redis_urls import blocking_client_for
from db.connections import LOOP_CONNECTIONS
from ops.doctor.findings import Finding, Options, failure, ok, warning
from server import pidfiles

# Tickets live 30 s and sessions carry times: people notice a clock that is off by this much.
CLOCK_FAILS_S, CLOCK_WARNS_S = 10.0, 2.0
# A disk fails or warns below the part or the bytes, whichever is less: 5 % of a large disk is plenty. Below FULL it always fails.
FREE_FAILS, FREE_WARNS = (0.05, 2**30), (0.15, 10 * 2**30)
FULL = 32 * 2**20
FILES_FAIL, FILES_WARN = 4_096, 16_384
RUN_GUNICORN = settings.CHECKOUT / "scripts" / "run_gunicorn.sh"


def check_clock(_: Options) -> Iterator[Finding]:
    for name, ahead in _clocks():
        text = f"this machine's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the clock of {name}"
        change = "run a time service (chrony, systemd-timesyncd) on both machines"
        if abs(ahead) > CLOCK_FAILS_S:
            yield failure("clock", text, change)
        elif abs(ahead) > CLOCK_WARNS_S:
            yield warning("clock", text, change)
        else:
            yield ok("clock", f"agrees with {name}")


def _clocks() -> Iterator[tuple[str, float]]:
    """Return the seconds by which this clock is ahead of each service's."""
    if not settings.EMBEDDED:
        with connection.cursor() as cursor:
            before = time.time()
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            (theirs,) = cursor.fetchone()
            yield "the database", (before + time.time()) / 2 - theirs
    for number, shard in enumerate(settings.REDIS_SHARDS, 1):
        try:
            with blocking_client_for(shard) as client:
                before = time.time()
                seconds, microseconds = client.time()
        except redis.RedisError:
            continue  # TIME is not among the rights Hubbub asks for; the check of Redis tells the rest
        yield f"Redis shard {number}", (before + time.time()) / 2 - seconds - microseconds / 1e6


def check_disk(options: Options) -> Iterator[Finding]:
    here = {"DATA_DIR": settings.DATA_DIR, "FILES_DIR": Path(settings.MEDIA_ROOT), "/tmp": Path("/tmp")}  # noqa: S108 - its room is looked at, nothing is written
    disks = dict(options.disks)
    for name, directory in here.items():
        if directory.is_dir():
            usage = shutil.disk_usage(directory)
            disks[name] = usage.total, usage.free
    for name, (total, free) in disks.items():
        part = free / total if total else 0.0
        text = f"{name}: {free / 2**20:,.0f} MiB of {total / 2**20:,.0f} are free ({part:.0%})"
        if free < FULL or (part < FREE_FAILS[0] and free < FREE_FAILS[1]):
            yield failure("disk", text, "docs/runbooks/disk-full.md")
        elif part < FREE_WARNS[0] and free < FREE_WARNS[1]:
            yield warning("disk", text, "docs/runbooks/disk-full.md")
        else:
            yield ok("disk", text)


def check_files(_: Options) -> Iterator[Finding]:
    limit, of = _open_files()
    text = f"{of} may open {limit:,} files; each socket is one"
    change = (
        "raise the hard limit: LimitNOFILE= of the systemd unit, or `ulimits: {nofile: 65536}` of web in compose.override.yaml"
    )
    if limit < FILES_FAIL:
        yield failure("files", text, change)
    elif limit < FILES_WARN:
        yield warning("files", text, change)
    else:
        yield ok("files", text)


def _open_files() -> tuple[int, str]:
    """Return the limit of open files, and the process to which it applies.

    It is the running server's, or else the hard limit here, to which run_gunicorn.sh raises its own.
    """
    master = pidfiles.current().master()
    if master is not None:
        try:
            text = Path(f"/proc/{master}/limits").read_text()
        except OSError:
            text = ""
        found = re.search(r"^Max open files\s+(\d+)", text, flags=re.MULTILINE)
        if found:
            return int(found[1]), "the server"
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1], "a server started here"


def check_workers(options: Options) -> Iterator[Finding]:
    command = [str(RUN_GUNICORN), "--print"]
    plan = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603 - our own script
    if plan.returncode != 0:
        yield failure("workers", plan.stderr.strip().removeprefix("run_gunicorn: "), "the setting that is named")
        return
    workers, memory = _number(plan.stdout, "workers"), _number(plan.stdout, "memory")
    found = [*_room_for(workers, memory), *_connections_for(workers, options.replicas)]
    yield from found or [ok("workers", f"{workers} in this container, of {options.replicas}; connections and memory suffice")]


def _number(plan: str, name: str) -> int:
    found = re.search(rf"^{name}: (\d+)", plan, flags=re.MULTILINE)
    return int(found[1]) if found else 0


def _room_for(workers: int, memory_mb: int) -> Iterator[Finding]:
    needed = workers * settings.WORKER_MEMORY_MB
    if memory_mb and needed > memory_mb:
        yield failure(
            "workers",
            f"{workers} workers of {settings.WORKER_MEMORY_MB} MiB (WORKER_MEMORY_MB) need more than {memory_mb} MiB",
            f"WEB_CONCURRENCY={max(1, memory_mb // settings.WORKER_MEMORY_MB)}, or more WEB_MEMORY",
        )


CONNECTIONS = """
SELECT sum(setting::int) FILTER (WHERE name = 'max_connections'), sum(setting::int) FILTER (WHERE name <> 'max_connections')
FROM pg_settings WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')
"""


def _connections_for(workers: int, replicas: int) -> Iterator[Finding]:
    if settings.EMBEDDED:
        return
    with connection.cursor() as cursor:
        cursor.execute(CONNECTIONS)
        most, reserved = cursor.fetchone()
    # While a roll is under way there are twice as many containers; the background worker is one process more.
    processes = workers * replicas * 2 + 1
    needed, there = processes * (settings.DATABASE_THREADS + LOOP_CONNECTIONS), most - (reserved or 0)
    if needed > there:
        yield failure(
            "workers",
            f"{replicas} × {workers} workers, twice during a roll, and the background worker may hold {needed} connections;"
            f" the database gives {there}",
            f"DATABASE_POOL_SIZE={max(5, there // processes)}, fewer workers, or max_connections={needed + (reserved or 0)}",
        )
