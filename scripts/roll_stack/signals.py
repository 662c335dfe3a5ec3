"""INT, TERM and HUP: the roll says what is done and ends with 130.

While nginx is being replaced, that waits for its end.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from types import FrameType

from .engine import say

_Handler = Callable[[int, "FrameType | None"], None]
_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """One of the signals came.

    No `except Exception` stops it.
    """


def _raise(number: int, frame: FrameType | None) -> None:
    # The first one counts: nothing may disturb the end it began.
    for one in _NUMBERS:
        signal.signal(one, signal.SIG_IGN)
    raise Interrupted


class Signals:
    """The signals that this process hears: nohup, for one, has it ignore SIGHUP."""

    def __init__(self) -> None:
        self._accepted = [number for number in _NUMBERS if signal.getsignal(number) != signal.SIG_IGN]
        # Until the lock is taken they end the process, as they end a shell: Python's own SIGINT prints a traceback.
        self._set(signal.SIG_DFL)

    def _set(self, handler: _Handler | signal.Handlers) -> None:
        for number in self._accepted:
            signal.signal(number, handler)

    def interrupt(self) -> None:
        """Raise Interrupted in the main thread from now on."""
        self._set(_raise)

    def to_the_end(self, work: Callable[[], bool]) -> tuple[bool, bool]:
        """Run `work` to its end in spite of signals.

        Return its answer, and whether a signal came meanwhile.

        The site is down while it runs, so it is a process with a group of its own, which no signal and no closed terminal ends.
        It keeps the lock.
        """
        came = False

        def postpone(number: int, frame: FrameType | None) -> None:
            nonlocal came
            came = True
            say("Not now: nginx is being replaced.")

        self._set(postpone)
        process = os.fork()
        if process == 0:
            _work_alone(work)
        # A signal ends the wait for the handler only.
        _, status = os.waitpid(process, 0)
        self.interrupt()
        return status == 0, came


def _work_alone(work: Callable[[], bool]) -> None:
    """Run `work` in this child process, and exit."""
    code = 1
    try:
        os.setpgid(0, 0)
        for number in _NUMBERS:
            signal.signal(number, signal.SIG_IGN)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = 0 if work() else 1
    except BaseException:  # noqa: BLE001  # nothing of the parent's may run here
        traceback.print_exc()
    finally:
        os._exit(code)
