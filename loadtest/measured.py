"""One load run with the servers' resources read around its timed part."""

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

_LONGEST = 900.0  # seconds for all of a run but its timed part
_LINES, _LINE = 2000, 10_000  # what is kept of its output: the last lines, and of each so many letters
_EVERY = 1.0
_BEGINS = "the timed run of"


@dataclass
class Measured:
    """A run's exit code and summary, and what it took. cpu: cores used by each part; memory: bytes at the end."""

    code: int
    summary: dict[str, Any]
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    cores: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    counters: dict[str, float] = field(default_factory=dict)  # increase in the timed part
    lag: float = 0.0  # seconds, the worst look
    machine: float = 0.0  # share of this machine's processors that was busy
    unread: list[str] = field(default_factory=list)
    said: str = ""
    late: bool = False  # it did not end in time, and was ended

    @property
    def starved(self) -> str:
        """What its generator lacked; empty when nothing."""
        return str(self.summary.get("invalid", ""))

    def share(self, part: str) -> float:
        """Share of its limit that a part used; without a limit, of one core."""
        return self.cpu[part] / self.cores.get(part, 1.0)


def run(env: dict[str, str], servers: Servers, report: Path, *, longest: float = _LONGEST) -> Measured:
    """Run the load that `env` tells (see scripts/load) to its end, or end it `longest` seconds after that should have come."""
    (report / "summary.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "loadtest"]
    here = Path(__file__).parent.parent
    # A group of its own: its workers, and what it was told to seed with, hold its output open and must end with it.
    with subprocess.Popen(  # noqa: S603  # ourselves
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
            # What it prints meanwhile waits in the pipe; it is little.
            _watch(found, servers, _seconds(line))
    found.code = process.wait()  # not for ever: the timer is running
    found.said = "".join(said)
    summary = report / "summary.json"
    found.summary = json.loads(summary.read_text()) if summary.exists() else {}
    return found


def _seconds(line: str) -> float:
    """Length of the timed run, from the line that announces it."""
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
    """What was used between two readings; parts that began or ended in between are left out."""
    found.seconds = after.at - before.at
    found.cpu = {part: (after.cpu[part] - before.cpu[part]) / found.seconds for part in after.cpu if part in before.cpu}
    found.cores, found.memory = after.cores, after.memory
    found.counters = {name: value - before.counters.get(name, 0.0) for name, value in after.counters.items()}
    found.lag = max(found.lag, after.lag)
    found.unread = after.unread
