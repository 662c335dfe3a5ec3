"""`manage.py shell` as a lasting process.

A start for each line would take longer than the tests.

Lines run in another process than the server's, which has no event loop and no sockets.
"""

import json
import select
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock

_LOOP = """
import contextlib, io, json, sys, traceback
for line in sys.stdin:
    printed, error = io.StringIO(), None
    try:
        with contextlib.redirect_stdout(printed):
            exec(json.loads(line), {})
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps([printed.getvalue(), error]), flush=True)
"""
_TIMEOUT_S = 60


class DjangoShell:
    """One process, started with the first lines it runs.

    It ends with `close`, or when the tests end.
    """

    def __init__(self, root: Path, env: Callable[[], Mapping[str, str]], log: Path) -> None:
        """`root`: the checkout; `env`: asked once, at the first lines.

        `log`: where its errors go.
        """
        self._root, self._env, self._log = root, env, log
        self._process: subprocess.Popen[str] | None = None
        self._lock = Lock()

    def run(self, code: str) -> str:
        """Run `code` in its own namespace and return its output.

        Raises RuntimeError with its traceback.
        """
        with self._lock:
            self._process = self._process or self._start()
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.write(json.dumps(code) + "\n")
            self._process.stdin.flush()
            answered, _, _ = select.select([self._process.stdout], [], [], _TIMEOUT_S)
            answer = self._process.stdout.readline() if answered else ""
        if not answer:
            raise RuntimeError(f"manage.py shell gave no answer to\n{code}\n{self._log.read_text()}")
        printed, error = json.loads(answer)
        if error:
            raise RuntimeError(error)
        return str(printed)

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.kill()
            self._process.communicate(timeout=10)

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, str(self._root / "app" / "manage.py"), "shell", "--no-imports", "-v0", "-c", _LOOP]
        with self._log.open("ab") as log:
            piped, env = subprocess.PIPE, dict(self._env())
            return subprocess.Popen(command, env=env, cwd=self._root, stdin=piped, stdout=piped, stderr=log, text=True)
