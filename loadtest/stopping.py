"""SIGTERM, SIGHUP and Ctrl-C end a run early: with a report and a verdict, and with all of its processes.

Locust hears SIGTERM only once a headless run is over: until then the signal killed the leader without a report, and the
processes with the users went on for a minute.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import gevent

NUMBERS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_PR_SET_PDEATHSIG = 1
_GRACE = 10.0  # seconds in which a leader gathers results before a process with users ends by itself


def heard() -> list[signal.Signals]:
    """The signals that end a run: nohup has SIGHUP ignored, a shell SIGINT in what it runs in the background."""
    return [number for number in NUMBERS if signal.getsignal(number) != signal.SIG_IGN]


def exit_on_signals() -> None:
    """Unwind on a signal, so that a child being waited for is ended, too. Not for processes of gevent."""

    def unwind(number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    for number in heard():
        signal.signal(number, unwind)


def end_early(stop: Callable[[str], None]) -> None:
    """Call `stop(reason)` at the first signal in a gevent process; the second one exits without waiting for a report."""
    told: list[str] = []

    def on_signal(number: signal.Signals) -> None:
        if told:
            sys.exit(1)
        told.append(number.name)
        stop(f"stopped early by {number.name}")

    for number in heard():
        gevent.signal_handler(number, on_signal, number)


def end_with_leader() -> None:
    """Let a process with users, forked by its leader, outlive a signal to all until it told its results, but not its leader."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Locust's handler, in place by now, would end the users before the leader has asked for results. The leader ends us.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if signal.SIGINT in heard():  # Locust's leader sends it, too, when orders were not obeyed
        gevent.signal_handler(signal.SIGINT, lambda: gevent.spawn_later(_GRACE, os._exit, 1))
