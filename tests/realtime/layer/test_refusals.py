"""A Redis that refuses commands is visible in /readyz, log and metrics."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from accounts import throttle
from core.redis_faults import REASONS
from tests.conftest import StartServer
from tests.support.profile import Profile
from tests.support.redis_forms import QUOTED, USER, add_user, until
from tests.support.server import Server
from tests.support.services import Redis

WITHIN_S = 12.0


class Installation:
    """A server whose Redis user, or Redis, can be damaged."""

    def __init__(self, profile: Profile, exits: ExitStack) -> None:
        self.redis = exits.enter_context(Redis())
        add_user(self.redis)
        self.server = Server(profile, {"REDIS_URL": f"redis://{USER}:{QUOTED}@127.0.0.1:{self.redis.port}/1"})
        exits.callback(self.server.close)
        self.server.start()

    def hurt(self, kind: str) -> None:
        with self.redis.client() as client:
            if kind == "password":
                client.execute_command("ACL", "SETUSER", USER, "resetpass", ">another")
            elif kind == "channels":
                client.execute_command("ACL", "SETUSER", USER, "resetchannels")
            elif kind == "publish":
                client.execute_command("ACL", "SETUSER", USER, "-publish")
            elif kind == "keys":
                client.execute_command("ACL", "SETUSER", USER, "resetkeys")
            elif kind == "reads":
                client.execute_command("ACL", "SETUSER", USER, "-@read")
            else:
                client.config_set("maxmemory", 1)
            if kind in {"password", "channels"}:
                client.execute_command("CLIENT", "KILL", "USER", USER)

    def heal(self) -> None:
        add_user(self.redis)
        with self.redis.client() as client:
            client.config_set("maxmemory", 0)

    def degraded(self) -> list[str]:
        answer = httpx.get(f"{self.server.base_url}/readyz", timeout=5)
        assert answer.status_code == 200, "one fault of Redis must not remove every replica"
        found: list[str] = answer.json()["degraded"]
        return found

    def refused(self, part: str, kind: str) -> float:
        text = httpx.get(f"{self.server.base_url}/metrics", timeout=5).text
        found = [line for line in text.splitlines() if f'kind="{kind}",part="{part}"' in line and "_total{" in line]
        return float(found[0].split()[-1]) if found else 0.0


@pytest.fixture(scope="module")
def installation(profile: Profile) -> Iterator[Installation]:
    with ExitStack() as exits:
        yield Installation(profile, exits)


@pytest.mark.parametrize(
    ("hurt", "part", "kind"),
    [
        ("channels", "layer", "rights"),
        ("publish", "layer", "rights"),
        ("keys", "throttle", "rights"),
        ("reads", "throttle", "rights"),
        ("memory", "throttle", "memory"),
        ("password", "layer", "auth"),
    ],
)
def test_refusal_is_visible_until_it_ends(installation: Installation, hurt: str, part: str, kind: str) -> None:
    until(lambda: installation.degraded() == [], within=WITHIN_S, what="not healthy at first")
    before, log = installation.refused(part, kind), len(installation.server.log)
    installation.hurt(hurt)
    try:
        until(lambda: installation.degraded() == ["layer"], within=WITHIN_S, what=f"{hurt}: looks healthy")
        until(lambda: installation.refused(part, kind) > before, within=WITHIN_S, what=f"{hurt}: not counted")
        until(lambda: "hubbub_layer_degraded 1.0" in metrics(installation), within=WITHIN_S, what=f"{hurt}: the gauge is down")
    finally:
        installation.heal()
    until(lambda: installation.degraded() == [], within=WITHIN_S, what=f"{hurt}: does not heal")
    said = installation.server.log[log:]
    assert said.count(REASONS[kind]) <= 5, "the log is flooded"
    assert QUOTED not in installation.server.log


def metrics(installation: Installation) -> str:
    return httpx.get(f"{installation.server.base_url}/metrics", timeout=5).text


@pytest.mark.parametrize(("rights", "kind"), [(("allcommands", "~*"), "rights"), ((), "auth")])
def test_reason_is_in_the_log_from_the_start(start_server: StartServer, rights: tuple[str, ...], kind: str) -> None:
    with Redis() as redis:
        add_user(redis, *rights)
        password = QUOTED if rights else "wrong"
        server = start_server(REDIS_URL=f"redis://{USER}:{password}@127.0.0.1:{redis.port}")
        until(lambda: REASONS[kind] in server.log, within=WITHIN_S, what="no reason in the log")
        assert httpx.get(f"{server.base_url}/readyz", timeout=5).json()["degraded"] == ["layer"]
        assert password not in server.log


async def test_throttle_counts_in_the_process_while_redis_refuses(start_server: StartServer) -> None:
    with Redis() as redis:
        server = start_server(REDIS_URL=redis.url)
        with redis.client() as client:
            client.config_set("maxmemory", 1)
        async with httpx.AsyncClient(base_url=server.base_url, timeout=15) as http:
            guess = {"username": "ada", "password": "a wrong guess"}
            answers: list[int] = []
            while 429 not in answers and len(answers) <= 2 * throttle.ATTEMPTS_PER_ACCOUNT:  # a minute may begin meanwhile
                answers.append((await http.post("/api/token", json=guess)).status_code)
    assert answers[-1] == 429
    assert set(answers[:-1]) == {401}
