"""Child processes of tests: always ended, with their output in a file."""

import ctypes
import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import current_thread, main_thread
from time import monotonic, sleep

_ATTEMPTS = 3


class StartError(RuntimeError):
    """A process ended, or was not ready in time.

    The message has the tail of its output.
    """


def start_on_free_ports(start: Callable[[], None]) -> None:
    """Call `start`, which picks its ports, again while it raises StartError.

    It is called at most three times.

    Another process may take a free port first.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            start()
        except StartError:
            if attempt == _ATTEMPTS:
                raise
        else:
            return


class Process:
    """One child and its descendants, ended through their process group."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        log: Path,
        cwd: Path | None = None,
        user: str | None = None,
    ) -> None:
        """Start `command`; stdout and stderr go to the end of `log`.

        `user` is the account to run as (root only).
        """
        self.log = log
        with log.open("ab") as output:
            self.popen: subprocess.Popen[bytes] = subprocess.Popen(
                [str(part) for part in command],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # The kernel watches the starting thread, and only the main thread lives as long as the tests.
                preexec_fn=_end_with_parent if current_thread() is main_thread() else None,  # noqa: PLW1509
                user=user,
                group=pwd.getpwnam(user).pw_gid if user else None,
                extra_groups=[] if user else None,
            )

    @property
    def pid(self) -> int:
        """Return the process id of the child, which is also its process group."""
        return self.popen.pid

    @property
    def running(self) -> bool:
        """Return whether the child itself still runs."""
        return self.popen.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, timeout: float, what: str) -> None:
        """Wait for `ready()`.

        Raises StartError when the process ends or `timeout` seconds pass first.
        """
        deadline = monotonic() + timeout
        while not ready():
            if not self.running:
                raise StartError(f"{what} ended with code {self.popen.returncode}\n{self.tail()}")
            if monotonic() > deadline:
                raise StartError(f"{what} was not ready within {timeout} s\n{self.tail()}")
            sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the child alone."""
        self.popen.send_signal(number)

    def send_all(self, number: signal.Signals) -> None:
        """Send a signal to the child and all its descendants."""
        for pid in self.members():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, timeout: float = 30) -> int:
        """Ask the child to end; return its exit code, or kill all and raise TimeoutError."""
        if self.running:
            self.send(number)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.popen.args!r} did not end within {timeout} s\n{self.tail()}") from None
        finally:
            self.kill()

    def wait_until_gone(self, *, timeout: float) -> None:
        """Wait until the child and its descendants have ended.

        A TimeoutError names the others.
        """
        deadline = monotonic() + timeout
        while self.running or self.members():
            if monotonic() > deadline:
                raise TimeoutError(f"still there after {timeout} s: {self.members()}\n{self.tail()}")
            sleep(0.05)

    def kill(self) -> None:
        """Kill the child and its group; harmless when they have ended."""
        self.send_all(signal.SIGKILL)
        self.popen.wait(10)

    def members(self) -> list[int]:
        """Return the living pids of the child and its descendants, the child first."""
        alive = _processes()
        found = [self.pid] if self.pid in alive else []
        for pid, (
            parent,
            group,
        ) in alive.items():  # in order of age except after a wrap of the pid counter, which costs one miss
            if pid != self.pid and (group == self.pid or parent in found):
                found.append(pid)
        return found

    def tail(self, lines: int = 40) -> str:
        """Return the last lines of the output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """Let the kernel end the child if the tests are killed."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _processes() -> dict[int, tuple[int, int]]:
    """Map each live pid to its parent and process group, lowest first.

    Zombies count as ended.
    """
    found = {}
    for pid in sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        try:
            state, parent, group = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found[pid] = (int(parent), int(group))
    return found
