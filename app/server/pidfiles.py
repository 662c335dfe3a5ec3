"""Files shared by the master, the workers and `manage.py drain` of one server.

They are in a private directory per address:

    master       its pid; locked while it runs, so that the file of a killed master counts for nothing
    ready-PID    this worker answers requests
    migrated     a worker has seen that all migrations are applied
    share        percentage of the sockets to hand over; written by `manage.py drain --share`
    shared-PID   this worker has handed over its share
    replacement  locked while a worker is replaced, one at a time; holds the pid of a worker that replaces itself

In shared memory, or else the temporary directory: works on a read-only root, and does not outlive a restart of the machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import IO

from django.conf import settings


class NotPrivate(RuntimeError):
    """Another account could write to the directory."""


class RuntimeDirectory:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._locks: dict[str, IO[str]] = {}

    # --- the master

    def enter(self) -> None:
        """Master: write the pid and remove an earlier master's files.

        Raises NotPrivate or OSError.
        """
        _make_private(self.directory.parent)
        _make_private(self.directory)
        left_over = (*self.directory.glob("ready-*"), *self.directory.glob("shared-*"))
        for left in (*left_over, self.directory / "migrated", self.directory / "share"):
            left.unlink(missing_ok=True)
        if self._lock("master"):
            self._write("master", os.getpid())

    def leave(self) -> None:
        """Master: remove all files, unless another master has taken over."""
        if "master" in self._locks:
            for file in self.directory.glob("*"):
                file.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.directory.rmdir()

    def master(self) -> int | None:
        """Return the pid of the running master; None if there is none."""
        if self._free("master"):
            return None
        return self._read("master")

    # --- its workers

    def ready(self) -> None:
        """Worker: note that it answers requests from now on."""
        with contextlib.suppress(OSError):  # without the file, `manage.py drain` just does not wait for it
            (self.directory / f"ready-{os.getpid()}").touch(mode=0o600)

    def gone(self, worker: int) -> None:
        """Master: note that a worker has ended."""
        (self.directory / f"ready-{worker}").unlink(missing_ok=True)

    def workers(self) -> set[int]:
        """Return the pids of the workers that answer requests."""
        return {int(file.name.removeprefix("ready-")) for file in self.directory.glob("ready-*")}

    def note_migrated(self) -> None:
        """Worker: note that all migrations of this release are applied."""
        with contextlib.suppress(OSError):
            (self.directory / "migrated").touch(mode=0o600)

    def seen_migrated(self) -> bool:
        """Return whether a worker of this master has seen that all migrations are applied."""
        return (self.directory / "migrated").exists()

    # --- a share of the sockets

    def ask_share(self, percent: int) -> None:
        """`manage.py drain`: ask each worker for this percentage of its sockets.

        Raises OSError.
        """
        for done in self.directory.glob("shared-*"):
            done.unlink(missing_ok=True)
        asked = self.directory / "share.new"
        asked.write_text(str(percent))
        asked.replace(self.directory / "share")

    def share(self) -> int | None:
        """Worker: return the percentage still to hand over; None if there is none."""
        percent = self._read("share")
        return None if percent is None or (self.directory / f"shared-{os.getpid()}").exists() else percent

    def shared(self) -> None:
        """Worker: note that its share is handed over."""
        with contextlib.suppress(OSError):
            (self.directory / f"shared-{os.getpid()}").touch(mode=0o600)

    def sharing(self) -> set[int]:
        """Return the pids of workers that have not handed over their share yet."""
        done = {int(file.name.removeprefix("shared-")) for file in self.directory.glob("shared-*")}
        return self.workers() - done

    def end_share(self) -> None:
        """`manage.py drain`: withdraw the request, so that later workers ignore it."""
        (self.directory / "share").unlink(missing_ok=True)

    # --- one replacement at a time

    def begin_replacement(self, worker: int | None = None) -> bool:
        """Reserve the only replacement, until this process ends or `end_replacement`.

        Return whether it was free.

        `worker` replaces itself and ends once its successor is ready; the master then counts one less.
        """
        if not self._lock("replacement"):
            return False
        self._write("replacement", worker or 0)
        return True

    def end_replacement(self) -> None:
        self._write("replacement", 0)
        self._locks.pop("replacement").close()

    def replaced(self, worker: int) -> bool:
        """Master: return whether this ended worker had been replacing itself.

        True only once.
        """
        if self._read("replacement") != worker:
            return False
        (self.directory / "replacement").write_text("0")
        return True

    # --- files

    def _lock(self, name: str) -> bool:
        try:
            file = (self.directory / name).open("a+")
        except OSError:
            return False
        try:
            # The lock belongs to this process, not to its children, and ends with it.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._locks[name] = file
        return True

    def _free(self, name: str) -> bool:
        try:
            with (self.directory / name).open("r+") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _write(self, name: str, number: int) -> None:
        file = self._locks[name]
        file.seek(0)
        file.truncate()
        file.write(str(number))
        file.flush()

    def _read(self, name: str) -> int | None:
        try:
            return int((self.directory / name).read_text())
        except (OSError, ValueError):
            return None


def _make_private(directory: Path) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise NotPrivate(f"{directory} is not a directory of our own, closed to writes of other accounts; set RUNTIME_DIR to one")


def parent() -> Path:
    """Return the parent directory, shared by all servers of this account."""
    if settings.RUNTIME_DIR:
        return Path(settings.RUNTIME_DIR)
    shared = Path("/dev/shm")  # noqa: S108 - ours is private, and checked
    usable = shared.is_dir() and os.access(shared, os.W_OK)
    return (shared if usable else Path(tempfile.gettempdir())) / f"hubbub-{os.geteuid()}"


def current() -> RuntimeDirectory:
    """Return the directory of the server that listens on HOST and PORT."""
    host = re.sub(r"[^0-9A-Za-z.]+", "-", settings.LISTEN_HOST or "")
    return RuntimeDirectory(parent() / f"{host}_{settings.LISTEN_PORT}")
