"""What each worker takes of the machine. prometheus_client's own figures of that are left out where several workers answer."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from prometheus_client import Gauge

# The label is ours, not the library's own `pid`: a gauge with one does not exist in processes that never set it.
CPU = Gauge("hubbub_worker_cpu_seconds", "Processor time used since the start", ["worker"], multiprocess_mode="livesum")
RESIDENT = Gauge("hubbub_worker_resident_bytes", "Resident memory", ["worker"], multiprocess_mode="livesum")

_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")


def resident_bytes() -> int | None:
    """Memory this process holds; None where the system has no /proc."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE
    except OSError:
        return None


def measure() -> None:
    """Called once a second by each worker."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    CPU.labels(os.getpid()).set(used.ru_utime + used.ru_stime)
    held = resident_bytes()
    if held is not None:
        RESIDENT.labels(os.getpid()).set(held)
