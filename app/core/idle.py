"""How long a thread has waited for something other than a processor."""

from __future__ import annotations

import os
import time

_SCHEDSTAT = "/proc/thread-self/schedstat"


class IdleClock:
    """Of the thread that makes it; on Linux without the time in which it was ready to run and had no processor."""

    def __init__(self) -> None:
        try:
            self._file = os.open(_SCHEDSTAT, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1

    def read(self) -> float:
        """Seconds, from any start; the difference of two readings counts."""
        return time.perf_counter() - time.thread_time() - self._ready()

    def _ready(self) -> float:
        if self._file < 0:
            return 0.0
        # Nanoseconds on a processor, nanoseconds ready without one, time slices.
        return int(os.pread(self._file, 80, 0).split()[1]) / 1e9

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
