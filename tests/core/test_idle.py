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


def test_processor_lost_during_a_reading_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is lost for 0.2 s after the first look at the time."""
    times = iter([10.0, 10.2, 10.2])
    looks: list[float] = []

    def look() -> float:
        looks.append(next(times))
        return looks[-1]

    clock = IdleClock()
    monkeypatch.setattr(time, "perf_counter", look)
    monkeypatch.setattr(time, "thread_time", lambda: 3.0)
    monkeypatch.setattr(clock, "_ready", lambda: 1.2 if looks else 1.0)
    assert clock.read() == pytest.approx(10.2 - 3.0 - 1.2)
    clock.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells how long a thread was ready to run")
def test_waiting_for_a_processor_is_not_idle() -> None:
    cores = os.sched_getaffinity(0)
    core = min(cores)
    rival = [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"]
    process = subprocess.Popen(rival)
    try:
        os.sched_setaffinity(0, {core})
        time.sleep(0.3)
        clock, started = IdleClock(), time.perf_counter()
        idle = clock.read()
        spin(0.3)
        elapsed, idle = time.perf_counter() - started, clock.read() - idle
        clock.close()
    finally:
        os.sched_setaffinity(0, cores)
        process.kill()
        process.wait(10)
    assert elapsed > 0.45  # the other process had its share
    assert idle < 0.1
