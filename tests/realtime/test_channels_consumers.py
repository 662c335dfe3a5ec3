"""Plain Channels consumers behind our credentials, under our worker.

One is the tutorial's and one is on JSON, both unchanged.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import httpx
import pytest

from tests.support.api import anonymous, session_cookie, signed_in, with_token
from tests.support.chat_client import Account, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.profile import Profile
from tests.support.samples import SAMPLES
from tests.support.server import Server

TUTORIAL, BOARD = "/ws/tutorial/lobby/", "/ws/board/"


def started(profile: Profile, exits: ExitStack, **env: str) -> Server:
    server = Server(profile, SAMPLES | env)
    exits.callback(server.close)
    server.start()
    return server


@pytest.fixture(scope="module")
def sampled(profile: Profile) -> Iterator[Server]:
    with ExitStack() as exits:
        yield started(profile, exits)


@pytest.fixture
async def ada(sampled: Server) -> Account:
    return await sign_up(sampled.base_url)


@pytest.fixture
async def page(sampled: Server, ada: Account) -> AsyncIterator[httpx.AsyncClient]:
    """Ada's signed-in browser."""
    async with anonymous(sampled.base_url) as http:
        yield await signed_in(http, ada)


@pytest.fixture
async def knock(sampled: Server) -> AsyncIterator[Any]:
    async with AsyncExitStack() as exits:

        async def one(path: str, **headers: str) -> PlainSocket:
            return await exits.enter_async_context(PlainSocket(sampled.ws_url(path), headers=headers))

        yield one


async def test_tutorial_consumer_runs_with_each_credential(
    sampled: Server, knock: Any, ada: Account, page: httpx.AsyncClient
) -> None:
    ticket = (await page.post("/api/tickets")).json()["ticket"]
    sockets = [
        await knock(TUTORIAL, **ada.headers),
        await knock(TUTORIAL, **session_cookie(page), Origin=sampled.base_url),
        await knock(f"{TUTORIAL}?token={ada.token}"),
        await knock(f"{TUTORIAL}?ticket={ticket}"),
    ]
    for number, socket in enumerate(sockets):
        await socket.send_json({"message": f"hello {number}"})
        for other in sockets:
            assert await other.receive_json() == {"message": f"hello {number}"}


async def test_json_consumer_knows_its_user(sampled: Server, knock: Any, ada: Account) -> None:
    bob = await sign_up(sampled.base_url)
    mine, theirs = await knock(BOARD, **ada.headers), await knock(BOARD, **bob.headers)
    await mine.send_json([1, 2])
    await theirs.send_json({"x": 3})
    for socket in (mine, theirs):
        seen = [await socket.receive_json() for _ in range(2)]
        assert {"by": ada.name, "content": [1, 2]} in seen
        assert {"by": bob.name, "content": {"x": 3}} in seen


async def test_bad_credentials_and_foreign_origins_are_refused(knock: Any, page: httpx.AsyncClient) -> None:
    await (await knock(TUTORIAL)).expect_close(4001)
    await (await knock(TUTORIAL, Authorization="Token nonsense")).expect_close(4003)
    await (await knock(TUTORIAL, **session_cookie(page), Origin="https://example.org")).expect_close(4003)
    await (await knock("/ws/tutorial/", **session_cookie(page))).expect_close(4004)


async def test_group_send_of_a_view_reaches_a_consumer(sampled: Server, knock: Any, ada: Account) -> None:
    sockets = [await knock("/ws/tutorial/view/", **ada.headers) for _ in range(3)]
    async with with_token(sampled.base_url, ada) as http:
        assert (await http.get("/tutorial/view/from_a_view/")).text == "said"
    for socket in sockets:
        assert await socket.receive_json() == {"message": "from_a_view"}


async def test_sign_out_closes_a_consumers_socket(sampled: Server, knock: Any, page: httpx.AsyncClient) -> None:
    socket = await knock(BOARD, **session_cookie(page), Origin=sampled.base_url)
    await socket.send_json("here")
    await socket.receive_json()
    assert (await page.delete("/api/session")).is_success
    await socket.expect_close(4010)


async def test_flood_of_frames_closes_its_own_socket(sampled: Server, knock: Any, ada: Account) -> None:
    bob = await sign_up(sampled.base_url)
    mine, theirs = await knock("/ws/tutorial/flood/", **ada.headers), await knock(BOARD, **bob.headers)
    for _ in range(2_000):
        await mine.send('{"message": "x"}')
    await mine.expect_close(4009, timeout=30)
    await theirs.send_json("unharmed")
    assert await theirs.receive_json() == {"by": bob.name, "content": "unharmed"}


async def test_too_large_frame_closes_its_own_socket(knock: Any, ada: Account) -> None:
    mine, other = await knock(TUTORIAL, **ada.headers), await knock(TUTORIAL, **ada.headers)
    await mine.send('{"message": "' + "x" * 262_144 + '"}')
    await mine.expect_close(1009)
    await other.send_json({"message": "goes on"})
    assert await other.receive_json() == {"message": "goes on"}


async def test_failure_of_a_consumer_closes_only_its_socket(knock: Any, ada: Account) -> None:
    mine, other = await knock(TUTORIAL, **ada.headers), await knock(TUTORIAL, **ada.headers)
    await mine.send("no JSON")
    await mine.expect_close(4000)
    await other.send_json({"message": "goes on"})
    assert await other.receive_json() == {"message": "goes on"}


async def test_limits_metrics_and_drain_hold_for_consumers(profile: Profile) -> None:
    with ExitStack() as exits:
        server = started(profile, exits, LIMIT_SOCKETS_PER_USER="2", WEB_CONCURRENCY="1", LIMIT_HANDSHAKES_PER_S="0")
        ada = await sign_up(server.base_url)
        async with AsyncExitStack() as sockets:
            mine = [
                await sockets.enter_async_context(PlainSocket(server.ws_url(TUTORIAL), headers=ada.headers)) for _ in range(3)
            ]
            await mine[2].expect_close(4009)
            await mine[0].send_json({"message": "counted"})
            for socket in mine[:2]:
                assert await socket.receive_json() == {"message": "counted"}
            await asyncio.sleep(1.5)
            async with httpx.AsyncClient(base_url=server.base_url) as http:
                text = (await http.get("/metrics")).text
            assert 'hubbub_sockets{dialect="consumer"} 2.0' in text
            assert 'hubbub_frames_received_total{type="consumer"} 1.0' in text
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            for socket in mine[:2]:
                await socket.expect_close(1012, timeout=15)
            assert await stopping == 0
