"""nohup ignores SIGHUP, a shell ignores SIGINT of background jobs.

The tests' programs must get both.
"""

import signal

_HEARD = (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT)


def hear_ignored_signals() -> None:
    """Let child processes start with default signals.

    This process still ignores SIGHUP.

    An ignored signal is inherited, a handler is not: exec sets it to the default.
    """
    for number in _HEARD:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
