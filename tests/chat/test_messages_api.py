"""/api/rooms/<room>/messages: the log over HTTP."""

from typing import Any

import pytest

from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.server import Server
from tests.support.shapes import assert_shape


@pytest.fixture
async def room(server: Server, ada: Account) -> str:
    """A room with twelve messages of Ada's."""
    slug = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as chat:
        for number in range(1, 13):
            await chat.send(slug, str(number), key=f"key-{number}")
    return slug


@pytest.mark.parametrize(
    ("query", "seqs", "more"),
    [
        ({}, range(1, 13), False),
        ({"limit": 5}, range(8, 13), True),
        ({"before": 8, "limit": 5}, range(3, 8), True),
        ({"before": 3, "limit": 5}, range(1, 3), False),
        ({"before": 0}, [], False),
        ({"before": 2**53, "limit": 200}, range(1, 13), False),
        ({"after": 0, "limit": 5}, range(1, 6), True),
        ({"after": 7}, range(8, 13), False),
        ({"after": 12}, [], False),
    ],
    ids=str,
)
async def test_pages(server: Server, ada: Account, room: str, query: dict[str, int], seqs: Any, more: bool) -> None:
    async with with_token(server.base_url, ada) as http:
        answer = await http.get(f"/api/rooms/{room}/messages", params=query)
        assert answer.status_code == 200
        page = answer.json()
        assert set(page) == {"room", "messages", "more"}
        assert (page["room"], [message["seq"] for message in page["messages"]], page["more"]) == (room, list(seqs), more)
        for message in page["messages"]:
            assert_shape(message, own=True)
            assert (message["text"], message["key"]) == (str(message["seq"]), f"key-{message['seq']}")


async def test_others_see_no_keys(server: Server, room: str) -> None:
    bob = await sign_up(server.base_url)
    async with ChatClient(server.ws_url(), bob) as chat:
        await chat.join(room)
    async with with_token(server.base_url, bob) as http:
        for message in (await http.get(f"/api/rooms/{room}/messages")).json()["messages"]:
            assert_shape(message)


WRONG = [{"limit": 0}, {"limit": 201}, {"limit": "many"}, {"before": -1}, {"after": "x"}, {"after": 2**70}, {"before": 1.5}]


@pytest.mark.parametrize("query", [*WRONG, {"before": ""}], ids=str)
async def test_wrong_queries_name_the_field(server: Server, ada: Account, room: str, query: dict[str, Any]) -> None:
    async with with_token(server.base_url, ada) as http:
        problem = assert_problem(await http.get(f"/api/rooms/{room}/messages", params=query), 400, "invalid")
        assert set(problem["errors"]) == set(query)


async def test_one_direction_at_a_time(server: Server, ada: Account, room: str) -> None:
    async with with_token(server.base_url, ada) as http:
        assert_problem(await http.get(f"/api/rooms/{room}/messages", params={"before": 5, "after": 1}), 400, "bad_frame")
