"""Removes the directories of killed test runs, which carry the run's process id.

directory = own_directory("postgres")   # /tmp/hubbub-postgres-PID-…
remove_leftovers()                      # those of dead processes, with the servers that still run in them
"""

import os
import re
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

_NAME = re.compile(r"hubbub-[a-z]+-(\d+)-\w+")
_END_S = 5.0


def own_directory(kind: str) -> Path:
    """Make a temporary directory for this process; `kind` is one word."""
    return Path(tempfile.mkdtemp(prefix=f"hubbub-{kind}-{os.getpid()}-"))


def remove_leftovers(parent: Path | None = None) -> list[Path]:
    """Remove the directories of killed test runs and return them; other users' stay."""
    removed = []
    for directory in (parent or Path(tempfile.gettempdir())).glob("hubbub-*-*-*"):
        name = _NAME.fullmatch(directory.name)
        if name is None or _is_alive(int(name[1])):
            continue
        _end_servers_in(directory)
        with suppress(OSError):
            shutil.rmtree(directory)
            removed.append(directory)
    return removed


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _end_servers_in(directory: Path) -> None:
    """End processes in the directory of a finished run, such as Postgres."""
    mark, deadline = f"{directory}/".encode(), monotonic() + _END_S
    while (pids := [pid for pid in _pids() if mark in _command_line(pid)]) and monotonic() < deadline:
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        sleep(0.05)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if int(entry.name) != os.getpid()]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ProcessLookupError):
        return b""
