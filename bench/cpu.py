"""Processor time and memory, as the kernel counts them, and which core a process may use."""

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
    """Processes started inside run on this core alone, and what they start too."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def seconds(pids: Sequence[int]) -> float:
    """Processor seconds these processes used so far, user and system; one that has ended counts nothing."""
    total = 0.0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total


def core_seconds(core: int) -> float:
    """Seconds this core was busy so far, for anybody."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _wait, irq, soft = (int(field) for field in fields[:7])
            return (user + nice + system + irq + soft) / _TICKS
    return 0.0


def memory(pids: Sequence[int]) -> int:
    """Bytes these processes hold (proportional set size: shared pages are split)."""
    total = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def machine() -> dict[str, str | int | float]:
    """What the figures were measured on, without its name."""
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
