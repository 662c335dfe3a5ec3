"""A user who floods the API and the socket is slowed down and refused.

Others are not.
"""

import asyncio
from collections import Counter

import pytest

from tests.conftest import StartServer
from tests.support.api import anonymous, assert_problem, signed_in, with_token
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.server import Server

RATE = 5


@pytest.fixture(scope="module")
def paced(start_module_server: StartServer) -> Server:
    return start_module_server(LIMIT_CALLS_PER_S=str(RATE), WEB_CONCURRENCY="1")


async def test_calls_above_the_rate_wait_or_answer_429(paced: Server) -> None:
    flooder, ada = await sign_up(paced.base_url), await sign_up(paced.base_url)
    async with with_token(paced.base_url, flooder) as http, with_token(paced.base_url, ada) as other:
        flood = [asyncio.create_task(http.get("/api/rooms")) for _ in range(60)]
        answers = await asyncio.gather(*[other.get("/api/rooms") for _ in range(RATE)])
        assert Counter(answer.status_code for answer in answers) == {200: RATE}
        refused = [answer for answer in await asyncio.gather(*flood) if answer.status_code != 200]
        assert 60 - len(refused) <= 8 * RATE, "the burst and the calls that came due during the wait"
        for answer in refused:
            assert_problem(answer, 429, "rate_limited")
            assert int(answer.headers["Retry-After"]) >= 1


async def test_calls_with_a_cookie_have_the_same_rate(paced: Server) -> None:
    ada = await sign_up(paced.base_url)
    async with anonymous(paced.base_url) as http:
        await signed_in(http, ada)
        answers = await asyncio.gather(*[http.get("/api/me") for _ in range(40)])
    assert Counter(answer.status_code for answer in answers)[429] > 0


async def test_pages_of_a_session_wait_for_each_other(paced: Server) -> None:
    ada, bob = await sign_up(paced.base_url), await sign_up(paced.base_url)
    async with anonymous(paced.base_url) as http, anonymous(paced.base_url) as other:
        await signed_in(http, ada)
        await signed_in(other, bob)
        flood = [asyncio.create_task(http.get("/chat/")) for _ in range(90)]
        assert {(await other.get("/chat/")).status_code for _ in range(3)} == {200}
        answers = await asyncio.gather(*flood)
    assert {answer.status_code for answer in answers} <= {200, 429}


async def test_socket_frames_that_read_wait_for_their_pace(paced: Server) -> None:
    ada = await sign_up(paced.base_url)
    room = await create_room(paced.base_url, ada)
    loop = asyncio.get_running_loop()
    async with ChatClient(paced.ws_url(), ada) as chat:
        await chat.join(room)
        begun = loop.time()
        for _ in range(4 * RATE):
            await chat.request("history", room=room, before=1, limit=1)
        assert loop.time() - begun > 1.0, "a burst of 2 s passes, the rest has 2 s to wait"
        begun = loop.time()
        for _ in range(4 * RATE):
            await chat.send(room, "messages have a limit of their own")
        assert loop.time() - begun < 2.0
