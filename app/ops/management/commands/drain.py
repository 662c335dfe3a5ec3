"""`manage.py drain`: end the server on HOST and PORT as SIGTERM does, and wait.

Or replace its workers one by one, or make them hand over a share of their sockets.

Exit codes: 0 done; 1 no server runs there, or another drain is replacing a worker; 2 wrong arguments; 3 not finished in time
(the message says what continues).
"""

from __future__ import annotations

import os
import signal
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from server import grace, pidfiles

NOT_IN_TIME = 3
SHARE_S = 3600
BOOT_S = 60
ASK_EVERY_S = 0.2
SAY_EVERY_S = 5.0


class Command(BaseCommand):
    help = (
        "Ends the server that listens on HOST and PORT: its sockets are handed over, what is being committed is finished, "
        "and the command returns when it has ended. With --recycle its workers are replaced one after the other instead, "
        "each when its successor answers; with --share they hand over a part of their sockets, and serve on. Exit codes: "
        "0 done, 1 nothing to drain, 2 wrong arguments, 3 not in time."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--recycle", action="store_true", help="replace the workers one by one; the server goes on serving")
        which.add_argument(
            "--share",
            type=percentage,
            metavar="PERCENT",
            help="hand over that part of the sockets, DRAIN_SHARE_PER_S a second and worker: newer servers get some of them",
        )
        parser.add_argument(
            "--timeout",
            type=int,
            metavar="SECONDS",
            help=f"how long to wait for the server, or for each worker (default: DRAIN_SECONDS and {grace.MARGIN_S}; "
            f"with --share {SHARE_S})",
        )

    def handle(self, *_: Any, recycle: bool, share: int | None, timeout: int | None, **__: Any) -> None:
        self.here = pidfiles.current()
        self.timeout = timeout if timeout is not None else grace.kill_after_s() if share is None else SHARE_S
        master = self.here.master()
        if master is None:
            raise CommandError(f"no server of this account runs on {self.address()}: set HOST and PORT as it has them")
        if recycle:
            self.recycle(master)
        elif share is not None:
            self.share(share)
        else:
            self.drain(master)

    def address(self) -> str:
        return f"{settings.LISTEN_HOST}:{settings.LISTEN_PORT}"

    def drain(self, master: int) -> None:
        self.say(f"Draining {self.address()} (process {master}, {len(self.here.workers())} workers).")
        signal_master(master, signal.SIGTERM)
        gone = self.wait(
            lambda: self.here.master() != master, self.timeout, lambda: f"{len(self.here.workers())} workers are left"
        )
        if not gone:
            raise CommandError(
                f"process {master} has not ended within {self.timeout} s; it goes on draining", returncode=NOT_IN_TIME
            )
        self.say("Drained.")

    def share(self, percent: int) -> None:
        self.say(f"Handing over {percent} % of the sockets of {self.address()} ({len(self.here.workers())} workers).")
        self.here.ask_share(percent)
        try:
            done = self.wait(
                lambda: not self.here.sharing(), self.timeout, lambda: f"{len(self.here.sharing())} workers hand over"
            )
        finally:
            self.here.end_share()
        if not done:
            raise CommandError(f"not all was handed over within {self.timeout} s; the rest stays", returncode=NOT_IN_TIME)
        self.say("Handed over.")

    def recycle(self, master: int) -> None:
        old = self.here.workers()
        if not self.wait(self.here.begin_replacement, self.timeout, lambda: "another worker is being replaced"):
            raise CommandError("another process is replacing a worker of this server: try again later")
        self.say(f"Replacing {len(old)} workers of {self.address()} (process {master}).")
        for number in range(1, len(old) + 1):
            self.replace_oldest(master, f"worker {number} of {len(old)}")
            if not old & self.here.workers():
                break
        self.here.end_replacement()
        self.say("Recycled.")

    def replace_oldest(self, master: int, which: str) -> None:
        """Start one worker more; when it answers, make Gunicorn end the oldest."""
        before = self.here.workers()
        signal_master(master, signal.SIGTTIN)
        try:
            if not self.wait(lambda: bool(self.here.workers() - before), BOOT_S, lambda: f"the successor of {which} starts"):
                raise CommandError(f"the successor of {which} did not become ready within {BOOT_S} s", returncode=NOT_IN_TIME)
        finally:
            signal_master(master, signal.SIGTTOU)
        if not self.wait(lambda: bool(before - self.here.workers()), self.timeout, lambda: f"{which} drains"):
            raise CommandError(f"{which} has not ended within {self.timeout} s; it goes on draining", returncode=NOT_IN_TIME)
        self.say(f"Replaced {which}.")

    def wait(self, reached: Callable[[], bool], seconds: float, still: Callable[[], str]) -> bool:
        """Wait; return whether it was reached in time.

        Prints progress every few seconds.
        """
        started = said = time.monotonic()
        while not reached():
            now = time.monotonic()
            if now - started > seconds:
                return False
            if now - said > SAY_EVERY_S:
                said = now
                self.say(f"{int(now - started)} s: {still()}.")
            time.sleep(ASK_EVERY_S)
        return True

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def percentage(text: str) -> int:
    """Parse a whole number from 1 to 100.

    Raises ArgumentTypeError.
    """
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100:
        raise ArgumentTypeError(f"must be a whole number from 1 to 100, not {text!r}")
    return int(text)


def signal_master(master: int, number: signal.Signals) -> None:
    try:
        os.kill(master, number)
    except ProcessLookupError:
        return  # it has just ended by itself
    except PermissionError as error:
        raise CommandError(f"process {master} belongs to another user: {error}") from error
