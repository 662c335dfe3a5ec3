"""Processor time and memory from the kernel, and pinning of processes to a core."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# One core for the server under test; one for the generator, Redis and Postgres.
SERVER_CORE, LOAD_CORE = 0, min(1, (os.cpu_count() or 1) - 1)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Pin processes started inside, and their children, to this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def seconds(pids: Sequence[int]) -> float:
    """Return the processor seconds used by these processes, user and system.

    An ended process counts as 0.
    """
    total = 0.0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total


def core_seconds(core: int) -> float:
    """Return the seconds this core has been busy with any process."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _wait, irq, soft = (int(field) for field in fields[:7])
            return (user + nice + system + irq + soft) / _TICKS
    return 0.0


def memory(pids: Sequence[int]) -> int:
    """Return the memory of these processes in bytes (proportional set size)."""
    total = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def machine() -> dict[str, str | int | float]:
    """Describe the machine of the measurement, without its name."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count() or 1,
        "model": model,
        "memory_gib": round(gibibytes),
        "kernel": os.uname().release.split("-")[0],
    }
