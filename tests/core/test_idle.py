"""A thread's idle time: it neither runs nor waits for a processor."""

import os
import subprocess
import sys
import time

import pytest

from core.idle import IdleClock

pytestmark = pytest.mark.once


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_sleeping_is_idle_and_running_is_not() -> None:
    clock = IdleClock()
    start = clock.read()
    spin(0.2)
    ran = clock.read() - start
    time.sleep(0.2)
    slept = clock.read() - start - ran
    clock.close()
    assert ran < 0.1
    assert slept > 0.15


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells how long a thread was ready to run")
def test_waiting_for_a_processor_is_not_idle() -> None:
    cores = os.sched_getaffinity(0)
    core = min(cores)
    rival = [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"]
    process = subprocess.Popen(rival)
    try:
        os.sched_setaffinity(0, {core})
        time.sleep(0.3)
        idle, elapsed = min(spun_beside_a_rival() for _ in range(3))  # a pause of the whole machine counts as idle
    finally:
        os.sched_setaffinity(0, cores)
        process.kill()
        process.wait(10)
    assert elapsed > 0.45  # the other process had its share
    assert idle < 0.1


def spun_beside_a_rival() -> tuple[float, float]:
    """Return how long 0.3 s of work were idle, and how long they took."""
    clock, started = IdleClock(), time.perf_counter()
    idle = clock.read()
    spin(0.3)
    elapsed, idle = time.perf_counter() - started, clock.read() - idle
    clock.close()
    return idle, elapsed
