"""The frame `list.filter` on a running server.

It filters a room's people, sensors, polls and notes as one types.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Connect, StartServer
from tests.support.api import with_token
from tests.support.chat_client import Account, ChatClient, Frame, code_of, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server

NAMES = ["Temperature Keller", "Ärger im Büro", "会议室温度", "\uff46\uff55\uff4c\uff4c width"]
# The words of a question → which of NAMES it leaves.
TABLE: dict[str, list[int]] = {
    "": [0, 1, 2, 3],
    "keller": [0],
    "KELL temp": [0],
    "ärger": [1],
    "büro ÄRG": [1],
    "温度": [2],
    "会议 室": [2],
    "full": [3],
    "nowhere": [],
    "100%_": [],
}
# A list → the field of its entries that holds the name.
NAMED = {"sensors": "sensor_id", "polls": "question", "notes": "title"}


@pytest.fixture
async def ada(server: Server) -> Account:
    return await sign_up(server.base_url)


@pytest.fixture
async def room(server: Server, ada: Account) -> str:
    return await create_room(server.base_url, ada, private=True)


async def page(chat: ChatClient, room: str, name: str, query: str, **fields: Any) -> Frame:
    reply: Frame = await chat.request("list.filter", room=room, list=name, query=query, **fields)
    assert set(reply) == {"type", "re", "room", "list", "query", "items", "next"}
    assert (reply["type"], reply["room"], reply["list"], reply["query"]) == ("list.page", room, name, query)
    return reply


async def code(chat: ChatClient, **fields: Any) -> str:
    return await code_of(chat.request("list.filter", **fields))


async def fill(chat: ChatClient, room: str, name: str, names: list[str]) -> None:
    """Make an entry of each name."""
    made: dict[str, Callable[[str], Frame]] = {
        "polls": lambda one: {
            "type": "poll.create",
            "question": one,
            "options": ["yes", "no"],
            "multiple": False,
            "secret": False,
        },
        "notes": lambda one: {"type": "note.create", "title": one},
    }
    if name == "sensors":
        await chat.request("sensor.push", room=room, readings=[{"sensor_id": one, "value": 1} for one in names])
        return
    for one in names:
        fields = made[name](one)
        await chat.request(fields.pop("type"), room=room, key=secrets.token_hex(8), **fields)


@pytest.mark.parametrize("name", NAMED)
async def test_list_is_filtered_in_any_case_and_script(connect: Connect, ada: Account, room: str, name: str) -> None:
    chat = await connect(ada)
    await fill(chat, room, name, NAMES)
    for query, left in TABLE.items():
        found = await page(chat, room, name, query)
        assert {item[NAMED[name]] for item in found["items"]} == {NAMES[index] for index in left}, query
        assert found["next"] is None


@pytest.mark.parametrize("name", NAMED)
async def test_pages_of_a_list_hold_each_entry_once(connect: Connect, ada: Account, room: str, name: str) -> None:
    chat = await connect(ada)
    names = [f"page {number}" for number in range(1, 6)]
    await fill(chat, room, name, [*names, "other"])
    seen: list[str] = []
    after = None
    while True:
        found = await page(chat, room, name, "page", after=after, limit=2)
        seen += [item[NAMED[name]] for item in found["items"]]
        after = found["next"]
        if after is None:
            break
    assert sorted(seen) == names


async def test_people_are_filtered_by_parts_of_names(server: Server, connect: Connect, ada: Account, room: str) -> None:
    eve, zoe = await sign_up(server.base_url), await sign_up(server.base_url)
    async with with_token(server.base_url, ada) as http:
        for one in (eve, zoe):
            (await http.post(f"/api/rooms/{room}/members", json={"user": one.id})).raise_for_status()
    chat = await connect(ada)
    assert (await page(chat, room, "people", eve.name.upper()))["items"] == [{"id": eve.id, "name": eve.name, "role": "member"}]
    assert (await page(chat, room, "people", "no-such-name"))["items"] == []
    first = await page(chat, room, "people", "", limit=2)
    rest = await page(chat, room, "people", "", limit=2, after=first["next"])
    assert [one["id"] for one in first["items"] + rest["items"]] == sorted([ada.id, eve.id, zoe.id])
    assert rest["next"] is None


async def test_polls_are_found_by_options_until_closed(connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    poll: Frame = {"question": "Lunch?", "options": ["Soup", "面条"], "multiple": False, "secret": True, "key": "p"}
    seq = (await chat.request("poll.create", room=room, **poll))["seq"]
    await chat.request("poll.vote", room=room, target=seq, choices=[1], key="v")
    (found,) = (await page(chat, room, "polls", "lunch 面"))["items"]
    assert (found["seq"], found["tally"], found["votes"]) == (seq, [0, 1], {})
    await chat.request("poll.close", room=room, target=seq, key="c")
    assert (await page(chat, room, "polls", "lunch"))["items"] == []


async def test_only_members_filter_a_list(connect: Connect, ada: Account, room: str) -> None:
    mine, stranger = await connect(ada), await connect()
    for name in ("people", *NAMED):
        assert await code(stranger, room=room, list=name, query="") == "not_a_member"
        assert await code(mine, room="no-such-room", list=name, query="") == "no_such_room"
    table: dict[str, list[Frame]] = {
        "no_such_target": [{"list": "cars", "query": ""}],
        "too_long": [{"list": "people", "query": "x" * 201}],
        "bad_frame": [
            {"list": "people", "query": "\0"},
            {"list": "people"},
            {"list": "polls", "query": "", "limit": 101},
            {"list": "polls", "query": "", "after": "then"},
            {"list": "notes", "query": "", "after": "9" * 40},
        ],
    }
    for expected, refused in table.items():
        for fields in refused:
            assert await code(mine, room=room, **fields) == expected, fields


def masked(frame: Frame) -> bytes:
    """Return a client's WebSocket frame, masked with zeros."""
    payload = json.dumps(frame).encode()
    assert len(payload) < 126
    return bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload


async def test_only_the_newest_filter_of_a_list_is_answered(server: Server, ada: Account, room: str) -> None:
    async with PlainSocket(server.ws_url(), headers=ada.headers) as socket:
        await socket.receive_type("hello")
        # Typed faster than any answer: one write, so that the server reads all of them at once. Another list's is its own.
        asked = [
            {"type": "list.filter", "id": one, "list": "people", "query": "abcd"[:one], "room": room} for one in (1, 2, 3, 4)
        ]
        asked.insert(2, {"type": "list.filter", "id": 9, "list": "notes", "query": "", "room": room})
        await socket.write(b"".join(map(masked, asked)))
        replies: dict[int, Frame] = {}
        while len(replies) < len(asked):
            frame = await socket.receive_json()
            if "re" in frame:
                replies[frame["re"]] = frame
    assert [replies[number].get("code") for number in (1, 2, 3)] == ["overtaken"] * 3
    assert [(replies[one]["type"], replies[one]["list"]) for one in (4, 9)] == [("list.page", "people"), ("list.page", "notes")]


async def test_filters_of_one_person_are_limited(start_server: StartServer) -> None:
    own = start_server(LIMIT_CALLS_PER_S="2")
    account = await sign_up(own.base_url)
    async with contextlib.AsyncExitStack() as exits:
        sockets = [await exits.enter_async_context(ChatClient(own.ws_url(), account)) for _ in range(12)]
        await sockets[0].join("lobby")
        codes = await asyncio.gather(*(code(chat, room="lobby", list="people", query="x") for chat in sockets))
    assert set(codes) == {"", "rate_limited"}


async def test_list_of_an_absent_feature_is_unknown(start_server: StartServer) -> None:
    own = start_server(FEATURES_OFF="polls")
    async with ChatClient(own.ws_url(), await sign_up(own.base_url)) as chat:
        await chat.join("lobby")
        assert await code(chat, room="lobby", list="polls", query="") == "no_such_target"
        assert await code(chat, room="lobby", list="notes", query="") == ""
