"""A Chromium of its own process, which a test may kill."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Self

from playwright.sync_api import Browser, BrowserType

_START_TIMEOUT_S = 30


class OwnBrowser:
    """A browser started as a program and reached over its debugging port.

    Use it as a context manager.
    """

    def __init__(self, program: str, arguments: list[str], profile: Path, kind: BrowserType) -> None:
        # The port is written here once it is open.
        self._note = profile / "DevToolsActivePort"
        command = [program, *arguments, "--headless", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self.browser: Browser = kind.connect_over_cdp(f"http://127.0.0.1:{self._port()}")
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Kill the browser with all its processes: nothing in it says goodbye to anybody."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)

    def _port(self) -> int:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._note.exists() or not self._note.read_text().strip():
            assert self._process.poll() is None, "Chromium ended at its start"
            assert time.monotonic() < deadline, "Chromium opened no debugging port"
            time.sleep(0.05)
        return int(self._note.read_text().split()[0])
