"""How many workers this machine can carry, and how much memory each may take.

Standard library only.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20
# Above it, some 50,000 sockets, a worker leaks. In MiB.
MOST_CEILING = 2048

_NUMBER = re.compile("[1-9][0-9]*")


@dataclass(frozen=True)
class Machine:
    """What the kernel allows.

    `quota`: thousandths of a core; `memory`: MiB; None where there is no limit or none is known.
    """

    cores: int
    quota: int | None
    memory: int | None


@dataclass(frozen=True)
class Decision:
    """`ceiling`: MiB above which a worker hands over to a fresh one; 0: never."""

    workers: int
    rule: str
    ceiling: int


def decide(
    machine: Machine, *, asked: int | None, most: int, worker_memory: int, ceiling: int | None, shared_layer: bool
) -> Decision:
    """Decide the number of workers and the memory at which one is replaced.

    `asked` and `ceiling` stand above every rule. `worker_memory`: MiB set aside for a worker.
    """
    bounds = [(machine.cores, "cores by affinity")]
    if machine.quota is not None:
        bounds.append((max(1, machine.quota // 1000), "CPU quota, rounded down"))
    if machine.memory is not None:
        bounds.append((max(1, machine.memory // worker_memory), "memory / WORKER_MEMORY_MB"))
    bounds.append((most, "WEB_CONCURRENCY_MAX"))
    if not shared_layer:
        bounds.append((1, "no REDIS_URL: one worker only"))
    # The first of equals.
    workers, rule = min(bounds, key=lambda bound: bound[0])
    if asked is not None:
        workers, rule = asked, "WEB_CONCURRENCY"
    return Decision(workers, rule, _ceiling(machine.memory, workers, worker_memory) if ceiling is None else ceiling)


def _ceiling(memory: int | None, workers: int, worker_memory: int) -> int:
    """Return the ceiling of a worker's memory in MiB; 0: none.

    The kernel must not kill first: all workers at their ceiling and one successor fit into the memory there is.
    """
    if memory is None:
        return MOST_CEILING
    share = (memory - worker_memory) // workers
    # Where a share is not even half a worker, there is nothing to watch.
    return min(share, MOST_CEILING) if share >= worker_memory // 2 else 0


def measure(cgroups: Path, proc: Path, env: Mapping[str, str]) -> Machine:
    """Ask the kernel, below its trees of control groups and processes.

    Any group on the way from our own one to the root can stop us: the tightest limit counts.
    """
    v2, cpu, memory = (_groups(cgroups, proc, controller) for controller in ("", "cpu", "memory"))
    quotas = [*map(_quota_v2, v2), *map(_quota_v1, cpu)]
    limits = [*(_mebibytes(_line(group / "memory.max")) for group in v2)]
    limits += [_mebibytes(_line(group / "memory.limit_in_bytes")) for group in memory]
    return Machine(_cores(env), _least(quotas), _least([*limits, _machine_memory(proc)]))


def _cores(env: Mapping[str, str]) -> int:
    """`nproc` follows the affinity mask, but would follow OpenMP's variables first."""
    if shutil.which("nproc") is None:
        return os.cpu_count() or 1
    plain = {name: value for name, value in env.items() if name not in {"OMP_NUM_THREADS", "OMP_THREAD_LIMIT"}}
    return int(subprocess.run(["nproc"], env=plain, capture_output=True, timeout=10, check=True).stdout)  # noqa: S607


def _groups(cgroups: Path, proc: Path, controller: str) -> list[Path]:
    """Return our group of a controller, and those above it; "" means cgroup v2."""
    mount = cgroups / controller
    if not mount.is_dir():
        return []
    path = Path(_own_group(proc, controller).lstrip("/"))
    # A container often sees its own group as the mount's root, while /proc still tells the path outside.
    if ".." in path.parts or not (mount / path).is_dir():
        return [mount]
    return [mount / each for each in (path, *path.parents) if each != Path()] + [mount]


def _own_group(proc: Path, controller: str) -> str:
    """Read /proc/self/cgroup, whose lines are number:controllers:path."""
    for line in _lines(proc / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == controller or (controller and controller in controllers.split(",")):
            return path
    return ""


def _quota_v2(group: Path) -> int | None:
    return _thousandths(*[*_line(group / "cpu.max").split(), "", ""][:2])


def _quota_v1(group: Path) -> int | None:
    return _thousandths(_line(group / "cpu.cfs_quota_us"), _line(group / "cpu.cfs_period_us"))


def _thousandths(allowed: str, period: str) -> int | None:
    """None for "max", -1 or what is no number."""
    return int(allowed) * 1000 // int(period) if _NUMBER.fullmatch(allowed) and _NUMBER.fullmatch(period) else None


def _mebibytes(text: str) -> int | None:
    return int(text) // MIB if _NUMBER.fullmatch(text) else None


def _machine_memory(proc: Path) -> int | None:
    for line in _lines(proc / "meminfo"):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // 1024
    pages: Callable[[str], int] | None = getattr(os, "sysconf", None)
    return pages("SC_PHYS_PAGES") * pages("SC_PAGE_SIZE") // MIB if pages and not proc.is_dir() else None


def _line(file: Path) -> str:
    return next(_lines(file), "").strip()


def _lines(file: Path) -> Iterator[str]:
    try:
        yield from file.read_text().splitlines()
    except OSError:
        return


def _least(values: Iterable[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)
