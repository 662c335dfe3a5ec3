"""`make run` as a process, with its own data and port."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.profile import profile
from tests.support.server import ROOT, base_environment, migrated_directory

_START_TIMEOUT = 300  # the first start on a machine installs and builds


class MakeRun:
    """One data directory and port, for several starts in a row.

    `close` ends the remaining processes.
    """

    def __init__(self, directory: Path, static: Path, *, migrated: bool = False) -> None:
        self.port = free_port()
        # Sign-ups are limited by address, and all of a test share one.
        self.shared_memory = directory / "shm"
        self.shared_memory.mkdir()
        settings = {"SHM_ROOT": str(self.shared_memory), "PORT": str(self.port), "LIMIT_SIGNUPS_PER_H": "0"}
        self.env = base_environment() | settings | {"DATA_DIR": str(directory / "data"), "STATIC_ROOT": str(static)}
        if migrated:
            shutil.copytree(migrated_directory(profile), directory / "data")
        self.log = directory / "log"
        self._exits = ExitStack()

    @property
    def base_url(self) -> str:
        """Return the address from HOST and PORT."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Return the address of the native dialect."""
        return f"ws://127.0.0.1:{self.port}/ws/"

    def launch(self, **env: str) -> Process:
        """Start `make run` with these variables too, and return at once."""
        process = Process(["make", "run"], env=self.env | env, log=self.log, cwd=ROOT)
        self._exits.callback(process.kill)
        return process

    def start(self, **env: str) -> Process:
        """Start `make run` and wait until it answers."""
        process = self.launch(**env)
        process.wait_until(self.ready, timeout=_START_TIMEOUT, what="make run")
        return process

    def ready(self) -> bool:
        """Say whether /readyz answers 200."""
        try:
            return httpx.get(f"{self.base_url}/readyz", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """End all launched processes."""
        self._exits.close()


@pytest.fixture(scope="session")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the shared folder of static files.

    Compressing them takes longer than a test.
    """
    return tmp_path_factory.mktemp("static") / "files"


@pytest.fixture
def make_run(tmp_path: Path, static: Path) -> Iterator[MakeRun]:
    """`make run` on fresh data; not started yet."""
    run = MakeRun(tmp_path, static)
    yield run
    run.close()


@pytest.fixture
def later_make_run(tmp_path: Path, static: Path) -> Iterator[MakeRun]:
    """`make run` on data that an earlier start has migrated, which takes seconds."""
    run = MakeRun(tmp_path, static, migrated=True)
    yield run
    run.close()
