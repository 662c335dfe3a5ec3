"""A server with a push service, and a background worker where it is a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.features.notifications.push_service import PushService, push_service
from tests.support.processes import Process
from tests.support.profile import Profile
from tests.support.server import ROOT, Server


class Installation:
    """A server and its background worker: a thread of it in the embedded run."""

    def __init__(self, profile: Profile, env: dict[str, str]) -> None:
        self.profile = profile
        self.server = Server(profile, {"PUSH_LOOPBACK": "1", "PUSH_AFTER_S": "1", **env})
        self.worker: Process | None = None

    def start(self) -> None:
        self.server.start()
        self.start_worker()

    def start_worker(self) -> None:
        if self.profile.postgres is not None:
            command = [sys.executable, str(ROOT / "app" / "manage.py"), "worker"]
            env = self.server.env | {"PUBLIC_URL": self.server.base_url}
            self.worker = Process(command, env=env, log=self.server.data_dir / "worker.log", cwd=ROOT)

    def kill(self) -> None:
        """Kill all processes, as a power cut does."""
        if self.worker is not None:
            self.worker.kill()
        self.server.kill()

    def close(self) -> None:
        if self.worker is not None:
            self.worker.kill()
        self.server.close()


@pytest.fixture(scope="module")
def installation(profile: Profile) -> Iterator[Installation]:
    found = Installation(profile, {})
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture
def service() -> Iterator[PushService]:
    with push_service() as found:
        yield found
