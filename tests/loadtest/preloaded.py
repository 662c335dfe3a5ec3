"""Runs of `python -m loadtest`, forked from a process that has loaded Locust.

Loading takes half of a short run's processor time, and the tests make a hundred runs. Some go through scripts/load itself
(`run_load` of conftest.py).

with Preloaded() as loads:
    code = loads.run(env, Path("output"), errors=Path("errors"), timeout=240)

As a program it is that process: it reads a line of JSON for each run.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from types import TracebackType
from typing import Any, NoReturn, Self

ROOT = Path(__file__).resolve().parents[2]


class Preloaded:
    """The process that forks; threads may share it."""

    def __init__(self) -> None:
        self._asking = Lock()
        self._folder = tempfile.TemporaryDirectory()
        self._started = 0

    def __enter__(self) -> Self:
        # It ends with its standard input, also when the tests are killed.
        command = [sys.executable, "-m", "tests.loadtest.preloaded"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def run(self, env: Mapping[str, str], output: Path, *, errors: Path | None, timeout: float) -> int:
        """Return the exit code of a run with these variables.

        Its standard output goes to a file; its errors, too, or to a file of their own. Raises TimeoutExpired, and ends the run.
        """
        with self._asking:
            self._started += 1
            result = Path(self._folder.name) / f"{self._started}"
            asked = {"env": dict(env), "output": str(output), "errors": str(errors or ""), "result": str(result)}
            assert self._process.stdin
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
        deadline = monotonic() + timeout
        while not result.exists():
            if self._process.poll() is not None:
                raise RuntimeError("the process that forks has ended")
            if monotonic() > deadline:
                with suppress(OSError, ValueError):
                    os.killpg(int(result.with_suffix(".pid").read_text()), signal.SIGKILL)
                raise subprocess.TimeoutExpired("python -m loadtest", timeout)
            sleep(0.05)
        return int(result.read_text())


# --- the process that forks -------------------------------------------------------------------------------------------


def main() -> NoReturn:
    """Fork for each line of standard input, to its end."""
    import locust.main  # noqa: PLC0415, F401  # patches the process, which the tests' own may not be
    from gevent import monkey  # noqa: PLC0415

    import loadtest.chat_user  # noqa: PLC0415
    import loadtest.run  # noqa: F401, PLC0415

    fork = monkey.get_original("os", "fork")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the keepers
    while line := sys.stdin.buffer.readline():
        if fork() == 0:
            keep(json.loads(line), fork)
    sys.exit()


def keep(asked: dict[str, Any], fork: Any) -> NoReturn:
    """Run one in a child, a process group of its own, and write its exit code down."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    result = Path(asked["result"])
    pid = fork()
    if pid == 0:
        become(asked)
    result.with_suffix(".pid").write_text(str(pid))
    _, status = os.waitpid(pid, 0)
    result.with_suffix(".new").write_text(str(os.waitstatus_to_exitcode(status)))
    result.with_suffix(".new").rename(result)
    os._exit(0)


def become(asked: dict[str, Any]) -> NoReturn:
    """Be `python -m loadtest` with the variables and files asked for."""
    import gevent  # noqa: PLC0415
    import locust.main  # noqa: PLC0415

    import loadtest.__main__  # noqa: PLC0415

    os.setsid()
    gevent.reinit()
    random.seed()
    _open(os.devnull, 0, os.O_RDONLY)
    _open(asked["output"], 1, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    if asked["errors"]:
        _open(asked["errors"], 2, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    else:
        os.dup2(1, 2)
    os.environ.clear()
    os.environ.update(asked["env"])

    execve = os.execve

    def become_locust(program: str, command: list[str], env: Mapping[str, str]) -> None:
        os.execve = execve  # the picture is drawn by another program
        sys.argv = ["locust", *command[3:]]  # without Python, -m and locust
        locust.main.main()

    os.execve = become_locust  # type: ignore[assignment]
    code: object = 1
    try:
        loadtest.__main__.main(dict(asked["env"]))
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1 if code else 0)


def _open(path: str, number: int, flags: int) -> None:
    opened = os.open(path, flags, 0o644)
    os.dup2(opened, number)
    os.close(opened)


if __name__ == "__main__":
    main()
