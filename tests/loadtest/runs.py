"""Runs of the load generator from the command line, several at a time."""

import json
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from tests.loadtest.preloaded import Preloaded
from tests.support.server import ROOT, base_environment


@dataclass(frozen=True)
class LoadRun:
    """Results of a load run: exit code, output, and its report if any."""

    code: int
    output: str
    report: Path

    @property
    def summary(self) -> dict[str, Any]:
        """The report, as written to summary.json."""
        found: dict[str, Any] = json.loads((self.report / "summary.json").read_text())
        return found


def run_load(
    url: str,
    report: Path,
    env: Mapping[str, str],
    *,
    timeout: float = 240,
    arguments: tuple[str, ...] = (),
    split: bool = False,
    preloaded: Preloaded | None = None,
) -> LoadRun:
    """Run `scripts/load` against `url` with the variables `env`.

    The caller looks at the exit code. With `preloaded`, the script's program is forked there, without the script.

    `split`: the output is standard output only.
    """
    if preloaded and not arguments:
        output, errors = report.with_suffix(".output"), report.with_suffix(".errors") if split else None
        given = base_environment() | {"URL": url, "REPORT": str(report)} | dict(env)
        code = preloaded.run(given, output, errors=errors, timeout=timeout)
        return LoadRun(code, output.read_text(), report)
    done = subprocess.run(
        [ROOT / "scripts" / "load", *arguments],
        env=base_environment() | {"URL": url, "REPORT": str(report)} | dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if split else subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return LoadRun(done.returncode, done.stdout, report)


T = TypeVar("T")


class AtOnce(Generic[T]):
    """Run jobs that mostly wait, several at a time and in order.

    A job without a reader never starts.

    with AtOnce[int](3) as jobs:
        jobs.give("a", lambda: 1)
        jobs.result("a")
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers)
        self._jobs: dict[str, Future[T]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def give(self, name: str, job: Callable[[], T]) -> None:
        """Queue a job."""
        self._jobs[name] = self._pool.submit(job)

    def result(self, name: str) -> T:
        """Wait for a job; return its result or raise its exception."""
        return self._jobs[name].result()
