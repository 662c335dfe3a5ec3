"""The disk of Postgres is full while people write, and has room again."""

import asyncio
import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic

import httpx
import pytest

from tests.support.crowd import Crowd
from tests.support.profile import Profile
from tests.support.server import Server, manage
from tests.support.services import Postgres, Redis

pytestmark = [pytest.mark.integration, pytest.mark.served, pytest.mark.timeout(300)]

# An empty cluster with our tables has 80 MB.
DISK_MB = 200
FELT_WITHIN_S = 60
BACK_WITHIN_S = 20


class OnSmallDisk(Postgres):
    """Its data are on a disk of its own, which `fill` fills."""

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def _prepare(self) -> None:
        self.data.mkdir()
        owner = pwd.getpwnam(self.user or "root")
        options = f"size={DISK_MB}m,mode=0700,uid={owner.pw_uid},gid={owner.pw_gid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", self.data], check=True, timeout=20)
        super()._prepare()

    def close(self) -> None:
        if self._process:
            self._process.kill()
        subprocess.run(["umount", "--lazy", self.data], check=False, timeout=20)
        super().close()

    def fill(self) -> None:
        with suppress(OSError), (self.data / "something-else").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(2**16))

    def make_room(self) -> None:
        """Remove what is not Postgres', and start it where the full disk ended it."""
        (self.data / "something-else").unlink()
        assert self._process
        if self._process.popen.poll() is not None:
            self.start()


@pytest.fixture
def small(profile: Profile) -> Iterator[tuple[Server, OnSmallDisk]]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    with ExitStack() as exits:
        postgres, redis = exits.enter_context(OnSmallDisk()), exits.enter_context(Redis())
        env = {"DATABASE_URL": postgres.create_database(), "REDIS_URL": redis.url, "LIMIT_MESSAGES_PER_S": "0"}
        server = Server(profile, env)
        exits.callback(server.close)
        manage("migrate", "--no-input", env=server.env)
        server.start()
        yield server, postgres


@pytest.mark.drill
async def test_full_disk_of_the_database_loses_nothing(small: tuple[Server, OnSmallDisk]) -> None:
    server, postgres = small
    async with Crowd(server.base_url, readers=4, writers=4) as crowd:
        await crowd.until_written(10)
        await asyncio.to_thread(postgres.fill)
        deadline = monotonic() + FELT_WITHIN_S
        while not all(person.put_off for person in crowd.people if person.writes):
            assert monotonic() < deadline, "a writer got no refusal from a full disk"
            await asyncio.sleep(0.1)
        await asyncio.sleep(2)
        await asyncio.to_thread(postgres.make_room)
        deadline = monotonic() + BACK_WITHIN_S
        async with httpx.AsyncClient(base_url=server.base_url, timeout=12) as http:
            while (answer := await http.get("/readyz")).json()["degraded"]:
                assert monotonic() < deadline, answer.text
                await asyncio.sleep(0.1)
        await crowd.until_written(20)
    await crowd.hold_to_the_log()
    assert crowd.ended() == [], "a full disk of the database costs no socket"
