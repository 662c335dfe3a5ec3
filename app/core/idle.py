"""The time a thread has spent waiting for anything but a processor."""

from __future__ import annotations

import os
import time

_SCHEDSTAT = "/proc/thread-self/schedstat"
TRIES = 3


class IdleClock:
    """Measures the current thread.

    On Linux the time in the run queue is not counted.
    """

    def __init__(self) -> None:
        try:
            self._file = os.open(_SCHEDSTAT, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1

    def read(self) -> float:
        """Return seconds from an arbitrary start; use differences of readings."""
        ready, awake = self._ready(), 0.0
        for _ in range(TRIES):
            awake = time.perf_counter() - time.thread_time()
            before, ready = ready, self._ready()
            if ready == before:  # else it lost the processor in between: the readings are of different moments
                break
        return awake - ready

    def _ready(self) -> float:
        if self._file < 0:
            return 0.0
        # Fields: nanoseconds running, nanoseconds in the run queue, time slices.
        return int(os.pread(self._file, 80, 0).split()[1]) / 1e9

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
