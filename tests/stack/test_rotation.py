"""scripts/rotate-secret under load, and where it is killed half way.

People stay signed in.
"""

import asyncio
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest

from tests.stack.stack import Stack
from tests.support.api import anonymous, signed_in
from tests.support.chat_client import sign_up
from tests.support.crowd import Crowd

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

ROTATED = ("SECRET_KEY", "POSTGRES_PASSWORD", "POSTGRES_OWNER_PASSWORD", "REDIS_PASSWORD")
EVENT_WITHIN_S = 5


def setting(stack: Stack, name: str) -> str:
    found = re.findall(rf"^{name}=(.*)$", (stack.directory / ".env").read_text(), re.MULTILINE)
    return found[-1] if found else ""


def killed(stack: Stack, *arguments: str, when: tuple[str, str], and_says: str) -> None:
    """Kill the script and all that it started, half way.

    It is killed once the setting in `when` has another value and the roll after that prints `and_says`.
    """
    name, before = when
    command: list[str | Path] = [stack.directory / "scripts" / "rotate-secret", *arguments]
    log = stack.directory / "var" / "rotation.log"
    with (
        log.open("w") as said,
        subprocess.Popen(
            command, env=stack.env, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        ) as process,
    ):
        deadline, heard = monotonic() + 300, None
        while True:
            assert process.poll() is None, log.read_text()
            assert monotonic() < deadline, log.read_text()
            if heard is None and setting(stack, name) != before:
                heard = log.stat().st_size
            if heard is not None and and_says in log.read_text()[heard:]:
                break
            sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)


async def status(stack: Stack, session: str) -> int:
    """Ask with the browser's session of the beginning."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=15) as http:
        return (await http.get("/api/rooms", headers={"Cookie": f"sessionid={session}"})).status_code


@pytest.fixture
def kept(restored: Stack, tmp_path: Path) -> Iterator[Stack]:
    """The stack; afterwards it has the secrets of its start."""
    env, directory = restored.directory / ".env", restored.directory / "var" / "secrets"
    shutil.copy2(env, tmp_path / "env")
    shutil.copytree(directory, tmp_path / "secrets")
    yield restored
    shutil.copy2(tmp_path / "env", env)
    for file in (tmp_path / "secrets").iterdir():
        (directory / file.name).unlink()
        shutil.copy2(file, directory)
    # The roles keep the passwords that a test gave them; web is healthy with a wrong one, but never ready.
    for role, name in (("hubbub", "POSTGRES_PASSWORD"), ("hubbub_owner", "POSTGRES_OWNER_PASSWORD")):
        altered = restored.exec(
            "postgres", "psql", "-U", "postgres", "-c", f"ALTER ROLE {role} PASSWORD '{setting(restored, name)}'"
        )
        assert altered.returncode == 0, altered.stderr


@pytest.mark.drill
async def test_rotation_goes_on_after_it_was_killed(kept: Stack) -> None:
    stack = kept
    ada = await sign_up(stack.url)
    first = setting(stack, "SECRET_KEY")
    async with anonymous(stack.url) as http:
        await signed_in(http, ada)
        session = http.cookies["sessionid"]
    # All know the new key, and some use it.
    killed(stack, "SECRET_KEY", when=("SECRET_KEY", first), and_says="Ending")
    second = setting(stack, "SECRET_KEY")
    assert await status(stack, session) == 200
    again = stack.script("rotate-secret", "SECRET_KEY")
    assert again.returncode == 0, again.stderr
    assert setting(stack, "SECRET_KEY") not in {first, second}
    assert {first, second} <= set(setting(stack, "SECRET_KEY_FALLBACKS").split(","))
    for _ in range(4):  # whichever server it asks
        assert await status(stack, session) == 200
    # As a rotation leaves .env when it is killed before its roll.
    env = stack.directory / ".env"
    env.write_text(re.sub(r"^SECRET_KEY_FALLBACKS=.*\n", "", env.read_text(), flags=re.MULTILINE))
    forgotten = stack.script("rotate-secret", "--forget")
    assert forgotten.returncode == 0, forgotten.stderr
    assert stack.exec("web", "cat", "/run/secrets/SECRET_KEY_FALLBACKS").stdout == ""
    assert await status(stack, session) == 401


@pytest.mark.drill
async def test_every_secret_is_rotated_under_load(kept: Stack) -> None:
    """Nobody waits for longer than the protocol allows, and no request fails.

    People write, and a browser of before asks all the time.
    """
    stack = kept
    before = {name: setting(stack, name) for name in ROTATED}
    ada = await sign_up(stack.url)
    async with anonymous(stack.url) as http:
        await signed_in(http, ada)
        session = http.cookies["sessionid"]
    async with Crowd(stack.url, readers=4, writers=3, askers=3) as crowd:
        await crowd.until_written(5)
        async with answered(stack, session) as answers:
            rotated = await asyncio.to_thread(stack.script, "rotate-secret", *ROTATED)
            assert rotated.returncode == 0, rotated.stderr
            await crowd.until_written(20)
    await crowd.hold_to_the_log()
    assert crowd.failed_requests == []
    assert (len(answers) > 20, set(answers)) == (True, {200}), "the session is of the key of before"
    # web is replaced twice; a client may reach an old one again.
    assert set(crowd.ended()) == {"1012"}
    for person in crowd.people:
        assert person.put_off == 0
        assert max(person.longest_away, person.slowest_reply, person.slowest_delivery) < EVENT_WITHIN_S, vars(person)
    after = {name: setting(stack, name) for name in ROTATED}
    assert all(after[name] not in {"", before[name]} for name in ROTATED)
    assert setting(stack, "DATABASE_PASSWORD_FALLBACK") == ""
    assert stack.exec("web", "cat", "/run/secrets/SECRET_KEY").stdout == after["SECRET_KEY"]
    assert before["SECRET_KEY"] in setting(stack, "SECRET_KEY_FALLBACKS").split(",")
    for values, accepted in ((before, False), (after, True)):
        assert takes(stack, "hubbub", values["POSTGRES_PASSWORD"]) == accepted
        assert takes(stack, "hubbub_owner", values["POSTGRES_OWNER_PASSWORD"]) == accepted
        asked = stack.exec("redis", "redis-cli", "--no-auth-warning", "-a", values["REDIS_PASSWORD"], "ping")
        assert ("PONG" in asked.stdout) == accepted


@asynccontextmanager
async def answered(stack: Stack, session: str) -> AsyncIterator[list[int]]:
    """Ask with a browser's session all the time; yield the list of the answers' codes."""
    codes: list[int] = []

    async def ask() -> None:
        while True:
            codes.append(await status(stack, session))
            await asyncio.sleep(0.5)

    asking = asyncio.create_task(ask())
    try:
        yield codes
    finally:
        asking.cancel()
        (ended,) = await asyncio.gather(asking, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError), ended


def takes(stack: Stack, role: str, password: str) -> bool:
    """Return whether Postgres lets a role in with this password."""
    url = f"postgres://{role}:{password}@127.0.0.1/hubbub"
    return stack.exec("postgres", "psql", url, "-Atc", "SELECT 1").returncode == 0


@pytest.mark.drill
def test_rotation_goes_on_where_the_role_has_the_new_password(kept: Stack) -> None:
    """As a rotation that was killed after ALTER ROLE.

    New processes begin with the old password, and the coming one as fallback.
    """
    stack, new = kept, secrets.token_urlsafe(32)
    env = stack.directory / ".env"
    old = setting(stack, "POSTGRES_PASSWORD")
    replica = "REPLICA_URL=postgres://hubbub:{}@postgres:5432/hubbub"
    env.write_text(f"{env.read_text().rstrip()}\nDATABASE_PASSWORD_FALLBACK={new}\n{replica.format(old)}\n")
    assert (rolled := stack.script("roll")).returncode == 0, rolled.stderr
    altered = stack.exec("postgres", "psql", "-U", "postgres", "-c", f"ALTER ROLE hubbub PASSWORD '{new}'")
    assert altered.returncode == 0, altered.stderr
    stack.compose("restart", "web")
    assert (waited := stack.compose("up", "--detach", "--no-build", "--wait", "web")).returncode == 0, waited.stderr
    assert (httpx.get(f"{stack.url}/readyz", timeout=15)).status_code == 200
    done = stack.script("rotate-secret", "POSTGRES_PASSWORD")
    assert done.returncode == 0, done.stderr
    assert (setting(stack, "POSTGRES_PASSWORD"), setting(stack, "DATABASE_PASSWORD_FALLBACK")) == (new, "")
    assert replica.format(new) in env.read_text().splitlines()
    assert stack.exec("web", "cat", "/run/secrets/DATABASE_PASSWORD_FALLBACK").stdout == ""


@pytest.mark.drill
def test_failed_change_of_a_password_leaves_env_as_it_was(restored: Stack) -> None:
    stack = restored
    before = (stack.directory / ".env").read_text()
    stack.compose("stop", "postgres")
    failed = stack.script("rotate-secret", "POSTGRES_PASSWORD")
    assert failed.returncode == 1
    assert "Postgres does not answer; nothing was changed" in failed.stderr
    assert (stack.directory / ".env").read_text() == before


def test_secret_of_the_environment_is_not_rotated(stack: Stack) -> None:
    """It would win over the new one."""
    before = (stack.directory / ".env").read_text()
    done = stack.script("rotate-secret", "REDIS_PASSWORD", env=stack.env | {"REDIS_PASSWORD": stack.secret("REDIS_PASSWORD")})
    assert done.returncode == 1
    assert "the environment sets REDIS_PASSWORD, which wins over .env" in done.stderr
    assert (stack.directory / ".env").read_text() == before
