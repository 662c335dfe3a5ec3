"""`manage.py migrate` waits for its database, and only one runs at a time."""

import asyncio
import subprocess
import sys
from secrets import token_hex
from time import monotonic

import pytest

from tests.support.ports import free_port
from tests.support.profile import Profile
from tests.support.server import ROOT, base_environment
from tests.support.services import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def begin(url: str, *options: str) -> subprocess.Popen[str]:
    """Start `manage.py migrate` like the pods."""
    env = base_environment() | {"DATABASE_URL": url, "SECRET_KEY": token_hex(32)}
    command = [sys.executable, str(ROOT / "app" / "manage.py"), "migrate", "--noinput", *options]
    return subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return the exit code and the output."""
    out, err = await asyncio.to_thread(process.communicate, timeout=120)
    return process.returncode, out + err


async def test_migrate_waits_for_a_database_that_still_starts() -> None:
    """A fresh installation must leave no failed attempt behind."""
    with Postgres() as postgres:
        await asyncio.to_thread(postgres.stop)
        waiting = begin(postgres.url(), "--wait", "90")
        assert waiting.stderr is not None
        async with asyncio.timeout(90):
            while not (heard := await asyncio.to_thread(waiting.stderr.readline)).startswith("Waiting for the database: "):
                assert heard, "it ended without waiting"
        await asyncio.to_thread(postgres.start)
        code, said = await ended(waiting)
    assert code == 0, said
    assert "Applying" in said


async def test_migrate_fails_after_its_time_limit() -> None:
    started = monotonic()
    code, said = await ended(begin(f"postgres://hubbub:hidden-word@127.0.0.1:{free_port()}/hubbub", "--wait", "2"))
    assert code == 1
    assert "the database did not answer within 2 s" in said
    assert "hidden-word" not in said
    assert monotonic() - started < 60


async def test_two_migrations_at_once_both_end_well(profile: Profile) -> None:
    """Two pods of one release may start together."""
    assert profile.postgres is not None
    url = profile.postgres.create_database()
    answers = await asyncio.gather(ended(begin(url)), ended(begin(url)))
    assert [code for code, _ in answers] == [0, 0], answers
    assert sorted("No migrations to apply" in said for _, said in answers) == [False, True], answers
