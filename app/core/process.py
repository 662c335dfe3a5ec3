"""Resource use of each worker.

With several workers prometheus_client does not export its own figures.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

from prometheus_client import Gauge

# A label of our own: a gauge with the library's `pid` label does not exist in processes that never set it.
CPU = Gauge("hubbub_worker_cpu_seconds", "Processor time used since the start", ["worker"], multiprocess_mode="livesum")
RESIDENT = Gauge("hubbub_worker_resident_bytes", "Resident memory", ["worker"], multiprocess_mode="livesum")

_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")


def resident_bytes() -> int | None:
    """Return this process's resident memory; None on systems without /proc."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE
    except OSError:
        return None


def measure() -> None:
    """Update the figures; called once a second in each worker."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    CPU.labels(os.getpid()).set(used.ru_utime + used.ru_stime)
    held = resident_bytes()
    if held is not None:
        RESIDENT.labels(os.getpid()).set(held)
