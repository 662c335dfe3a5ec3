"""Redis goes away while people chat.

Either a watched server's replica is promoted, or one of several shards goes away.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from time import monotonic
from typing import NamedTuple

import httpx
import pytest

from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.crowd import Crowd
from tests.support.profile import Profile
from tests.support.redis_forms import Replica, Sentinel, until
from tests.support.server import Server
from tests.support.services import Redis

# A second until the sentinels miss it, their vote, and the pauses between two attempts of a process.
BACK_WITHIN_S = 20


class Watched(NamedTuple):
    """REDIS_URL, the server that dies, and how its work goes on."""

    url: str
    dies: Redis
    go_on: Callable[[], None]


def sentinels(exits: ExitStack) -> Watched:
    master = exits.enter_context(Redis())
    replica = exits.enter_context(Replica(master))
    watchers = [exits.enter_context(Sentinel(master, quorum=2)) for _ in range(3)]
    until(replica.follows, within=20, what="the replica does not follow")

    def known() -> bool:
        """Whether each sentinel knows the replica and the two others."""
        answers = []
        for one in watchers:
            with one.sentinel_client() as client:
                (chat,) = client.sentinel_masters().values()
                answers.append((chat["num-slaves"], chat["num-other-sentinels"]))
        return answers == [(1, 2)] * 3

    until(known, within=30, what="the sentinels do not know each other")
    url = ",".join(f"sentinel://:{master.password}@127.0.0.1:{one.port}/chat" for one in watchers)
    return Watched(url, master, lambda: until(lambda: replica.role() == "master", within=20, what="no replica was promoted"))


def shards(exits: ExitStack) -> Watched:
    servers = [exits.enter_context(Redis()) for _ in range(3)]
    return Watched(",".join(one.url for one in servers), servers[1], servers[1].start)


FORMS = {"sentinels": sentinels, "shards": shards}


@pytest.fixture(params=FORMS)
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    with ExitStack() as exits:
        yield FORMS[request.param](exits)


@pytest.mark.drill
async def test_chat_goes_on_when_redis_dies_and_another_takes_over(watched: Watched, profile: Profile) -> None:
    with ExitStack() as exits:
        server = Server(profile, {"REDIS_URL": watched.url, "LIMIT_MESSAGES_PER_S": "0"})
        exits.callback(server.close)
        server.start()
        async with Crowd(server.base_url, readers=4, writers=4) as crowd:
            await crowd.until_written(5)
            watched.dies.kill()
            # At once: the sentinels may be done before ten messages are on a busy machine.
            await asyncio.gather(crowd.until_written(10), wait_for_layer(server, ["layer"]))
            await asyncio.to_thread(watched.go_on)
            await wait_for_layer(server, [])
            await crowd.until_written(10)
        await crowd.hold_to_the_log()
        assert crowd.ended() == [], "an absent Redis costs no socket"
        assert all(person.put_off == 0 for person in crowd.people)
        await presence_works(server)


async def wait_for_layer(server: Server, degraded: list[str]) -> None:
    """Wait until several answers in a row, of whichever worker, say so."""
    deadline, same = monotonic() + BACK_WITHIN_S, 0
    while same < 6:
        assert monotonic() < deadline, f"/readyz never says degraded: {degraded}"
        async with httpx.AsyncClient(base_url=server.base_url, timeout=5) as http:
            same = same + 1 if (await http.get("/readyz")).json()["degraded"] == degraded else 0
        await asyncio.sleep(0.1)


async def presence_works(server: Server) -> None:
    """Two people on whichever workers see each other."""
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as mine:
        await mine.join(room)
        async with ChatClient(server.ws_url(), bob) as theirs:
            await theirs.join(room)
            assert (await mine.expect("presence", room=room, timeout=10))["joined"] == [{"id": bob.id, "name": bob.name}]
