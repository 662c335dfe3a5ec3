"""Run one load and read the servers' resources around its timed part."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from loadtest import values
from loadtest.resources import Reading, Servers

_LONGEST = 900.0  # seconds for a run without its timed part
_LINES, _LINE = 2000, 10_000  # output kept: the last lines, and so many letters of each
_EVERY = 1.0
_BEGINS = "the timed run of"


@dataclass
class Measured:
    """A run's exit code, summary and resource use.

    cpu: cores by part. memory: bytes at the end.
    """

    code: int
    summary: dict[str, Any]
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    cores: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    counters: dict[str, float] = field(default_factory=dict)  # increase in the timed part
    lag: float = 0.0  # seconds, the worst check
    machine: float = 0.0  # busy share of this machine's processors
    unreadable: list[str] = field(default_factory=list)
    said: str = ""
    late: bool = False  # ended by us, since it did not end in time

    @property
    def starved(self) -> str:
        """Return the starved resource of its generator; empty if none."""
        return str(self.summary.get("invalid", ""))

    def share(self, part: str) -> float:
        """Return the share of its limit that a part used; without a limit, of one core."""
        return self.cpu[part] / self.cores.get(part, 1.0)


def run(env: dict[str, str], servers: Servers, report: Path, *, longest: float = _LONGEST) -> Measured:
    """Run the load of `env` (see scripts/load).

    End it if it is `longest` seconds late.
    """
    (report / "summary.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "loadtest"]
    here = Path(__file__).parent.parent
    # A process group of its own: its workers and the seeding command hold its output open and must end with it.
    with subprocess.Popen(  # noqa: S603  # our own command
        command, env=env | {"REPORT": str(report)}, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        late = threading.Event()
        timer = threading.Timer(values.duration("TIME", env.get("TIME") or "15s") + longest, _end, (process, late))
        timer.daemon = True
        timer.start()
        try:
            found = _follow(process, servers, report)
        finally:
            timer.cancel()
            if process.poll() is None:
                _end(process)
    found.late = late.is_set()
    return found


def _end(process: "subprocess.Popen[str]", late: threading.Event | None = None) -> None:
    if late is not None:
        late.set()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _follow(process: "subprocess.Popen[str]", servers: Servers, report: Path) -> Measured:
    assert process.stdout is not None
    said, found = deque[str](maxlen=_LINES), Measured(1, {})
    stdout = process.stdout
    for line in iter(lambda: stdout.readline(_LINE), ""):
        said.append(line)
        if _BEGINS in line:
            # Output printed meanwhile waits in the pipe; it is little.
            _watch(found, servers, _seconds(line))
    found.code = process.wait()  # bounded: the timer is running
    found.said = "".join(said)
    summary = report / "summary.json"
    found.summary = json.loads(summary.read_text()) if summary.exists() else {}
    return found


def _seconds(line: str) -> float:
    """Return the length of the timed run from the line that announces it."""
    return float(line.partition(_BEGINS)[2].split()[0])


def _watch(found: Measured, servers: Servers, seconds: float) -> None:
    psutil.cpu_percent()
    before = servers.read()
    end = before.at + seconds
    while time.perf_counter() + _EVERY < end:
        time.sleep(_EVERY)
        found.lag = max(found.lag, servers.read(containers=False).lag)
    time.sleep(max(0.0, end - time.perf_counter()))
    after = servers.read()
    found.machine = psutil.cpu_percent() / 100
    difference(found, before, after)


def difference(found: Measured, before: Reading, after: Reading) -> None:
    """Compute the resources used between two readings by parts in both."""
    found.seconds = after.at - before.at
    found.cpu = {part: (after.cpu[part] - before.cpu[part]) / found.seconds for part in after.cpu if part in before.cpu}
    found.cores, found.memory = after.cores, after.memory
    found.counters = {name: value - before.counters.get(name, 0.0) for name, value in after.counters.items()}
    found.lag = max(found.lag, after.lag)
    found.unreadable = after.unreadable
