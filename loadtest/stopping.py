"""End a run early at SIGTERM, SIGHUP or Ctrl-C.

The run still gets a report and a verdict, and all of its processes end. Locust handles SIGTERM only after a headless run:
before, the signal killed the leader without a report, and the processes with users went on for a minute.
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
_GRACE = 10.0  # seconds for a leader to collect results before a process with users ends by itself


def heard() -> list[signal.Signals]:
    """Return the signals that end a run, except ignored ones.

    nohup makes its child ignore SIGHUP, a shell makes background commands ignore SIGINT.
    """
    return [number for number in NUMBERS if signal.getsignal(number) != signal.SIG_IGN]


def exit_on_signals() -> None:
    """Unwind on a signal, so that a child under way is ended as well.

    Not for gevent.
    """

    def unwind(number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    for number in heard():
        signal.signal(number, unwind)


def end_early(stop: Callable[[str], None]) -> None:
    """Call `stop(reason)` at the first signal in a gevent process.

    The second signal exits.

    The second one does not wait for a report.
    """
    received: list[str] = []

    def on_signal(number: signal.Signals) -> None:
        if received:
            sys.exit(1)
        received.append(number.name)
        stop(f"stopped early by {number.name}")

    for number in heard():
        gevent.signal_handler(number, on_signal, number)


def end_with_leader() -> None:
    """Let a forked process with users end with its leader, after sending results."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Locust's handler, already installed, would end the users before the leader has asked for results. The leader ends us.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if signal.SIGINT in heard():  # Locust's leader also sends it if orders were not obeyed
        gevent.signal_handler(signal.SIGINT, lambda: gevent.spawn_later(_GRACE, os._exit, 1))
