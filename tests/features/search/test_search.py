"""The frame `search` and GET /api/search, on a running server."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

import httpx
import pytest

from tests.conftest import Connect, StartServer
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, Frame, code_of, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server


@pytest.fixture
async def room(server: Server, ada: Account) -> str:
    return await create_room(server.base_url, ada, private=True)


async def found(chat: ChatClient, query: str, **fields: Any) -> list[str]:
    """The texts that are found, their highlights in brackets."""
    reply = await chat.request("search", query=query, **fields)
    assert (reply["type"], reply["query"]) == ("search.results", query)
    return [marked(result) for result in reply["results"]]


def marked(result: Frame) -> str:
    text = result["text"]
    for start, end in reversed(result["highlights"]):
        text = f"{text[:start]}[{text[start:end]}]{text[end:]}"
    return text


async def test_messages_are_found_in_many_forms(connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    texts = ["The database is away", "Base camp at 100%", "baseball, or not", "今天会议很重要", "회의를 시작합니다",
             "明日の会議です", "ÄRGER und Öl", "<b>bold</b> https://example.com/a_b", "🎉 done"]  # fmt: skip
    for text in texts:
        await chat.send(room, text)
    table = {
        "base": ["[Base] camp at 100%", "[base]ball, or not", "The data[base] is away"],
        "BASE cAm": ["[Base] [cam]p at 100%"],
        '"is away"': ["The database [is away]"],
        '"away is"': [],
        "会议": ["今天[会议]很重要"],
        "会": ["明日の[会]議です", "今天[会]议很重要"],
        "시작": ["회의를 [시작]합니다"],
        "会議です": ["明日の[会議です]"],
        "ärg öL": ["[ÄRG]ER und [Öl]"],
        "100%": ["Base camp at [100%]"],
        "a_b": ["<b>bold</b> https://example.com/[a_b]"],
        "bold": ["<b>[bold]</b> https://example.com/a_b"],
        "🎉": ["[🎉] done"],
        "nowhere": [],
        f"from:{ada.name} camp": ["Base [camp] at 100%"],
        f"in:{room} not": ["baseball, or [not]"],
        "after:2020-01-01 before:2100-01-01 not": ["baseball, or [not]"],
        "before:2020-01-01 not": [],
        "from:nobody-at-all not": [],
    }
    assert {query: await found(chat, query, room=room) for query in table} == table


async def test_only_what_one_may_read_is_found(server: Server, connect: Connect, ada: Account, room: str) -> None:
    word = secrets.token_hex(8)
    bob = await sign_up(server.base_url)
    async with with_token(server.base_url, ada) as http:
        await http.post(f"/api/rooms/{room}/members", json={"user": bob.id})
        mine, theirs, stranger = await connect(ada), await connect(bob), await connect()
        for text in (f"old {word}", f"kept {word}", f"gone {word}"):
            await mine.send(room, text)
        await mine.request("message.edit", room=room, target=1, text=f"new {word}", key="e")
        await mine.request("message.delete", room=room, target=3, key="d")
        for chat in (mine, theirs):
            assert await found(chat, word) == [f"kept [{word}]", f"new [{word}]"]
            assert await found(chat, f"old {word}") == []
        assert await found(stranger, word) == []
        assert await code(stranger, query=word, room=room) == "not_a_member"
        assert await code(stranger, query=f"{word} in:{room}") == "not_a_member"
        await http.delete(f"/api/rooms/{room}/members/{bob.id}")
    assert await found(theirs, word) == []


async def code(chat: ChatClient, **fields: Any) -> str:
    return await code_of(chat.request("search", **fields))


async def test_bad_questions_are_refused_by_name(connect: Connect, ada: Account) -> None:
    chat = await connect(ada)
    table: dict[str, list[Frame]] = {
        "bad_frame": [
            {"query": "before:soon"},
            {"query": "x after:2026-13-01"},
            {"query": "has:cake"},
            {"query": "from:ada from:bob"},
            {"query": "a b c d e f g h i"},
            {"query": "x", "limit": 101},
            {"query": "x", "before": "0001-01-01T00:00:00+14:00"},
            {"query": "x", "before": "9999-12-31T23:59:59-14:00"},
            {},
        ],
        "too_long": [{"query": "x" * 201}],
        "empty": [{"query": ""}, {"query": " from: "}],
        "no_such_room": [{"query": "x in:no-such-room"}, {"query": "x", "before": 7}],
    }
    for expected, refused in table.items():
        for fields in refused:
            assert await code(chat, **fields) == expected, fields


async def test_pages_run_back_through_a_room(connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    for number in range(1, 8):
        await chat.send(room, f"page {number}")
    seqs: list[int] = []
    before, more = 8, True
    while more:
        page: Frame = await chat.request("search", query="page", room=room, before=before, limit=3)
        seqs += [result["seq"] for result in page["results"]]
        before, more = seqs[-1], page["more"]
    assert seqs == [7, 6, 5, 4, 3, 2, 1]


def masked(frame: Frame) -> bytes:
    """Return a client's WebSocket frame, masked with zeros."""
    payload = json.dumps(frame).encode()
    assert len(payload) < 126
    return bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload


async def test_only_the_newest_question_of_a_socket_is_answered(
    connect: Connect, server: Server, ada: Account, room: str
) -> None:
    await (await connect(ada)).send(room, "hello")
    async with PlainSocket(server.ws_url(), headers=ada.headers) as socket:
        await socket.receive_type("hello")
        # Typed faster than any answer: one write, so that the server reads all of them at once.
        asked = [{"type": "search", "id": length, "query": "hello"[:length], "room": room} for length in (1, 2, 3, 4, 5)]
        await socket.write(b"".join(map(masked, asked)))
        replies: dict[int, Frame] = {}
        while len(replies) < len(asked):
            frame = await socket.receive_json()
            if "re" in frame:
                replies[frame["re"]] = frame
    assert [replies[number].get("code") for number in (1, 2, 3, 4)] == ["overtaken"] * 4
    assert (replies[5]["type"], replies[5]["query"], len(replies[5]["results"])) == ("search.results", "hello", 1)


async def test_search_and_date_over_http(server: Server, connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    sent = [await chat.send(room, f"http {number}") for number in range(3)]
    async with with_token(server.base_url, ada) as http:
        page = (await http.get("/api/search", params={"query": "http", "room": room, "limit": 2})).json()
        assert (page["query"], page["more"], len(page["results"])) == ("http", True, 2)
        assert page["results"][0] == {
            "room": room, "seq": 3, "from": {"id": ada.id, "name": ada.name}, "at": sent[2]["at"], "text": "http 2",
            "highlights": [[0, 4]],
        }  # fmt: skip
        assert_problem(await http.get("/api/search", params={"query": "from:"}), 400, "empty")
        chinese = {"Accept-Language": "zh-CN"}
        problem = assert_problem(await http.get("/api/search", params={"query": "after:soon"}, headers=chinese), 400, "bad_frame")
        assert problem["detail"] == "after: 需要日期，例如 2026-11-30，而不是 'soon'"  # noqa: RUF001
        assert_problem(await http.get("/api/search", params={"query": "x", "before": "then"}), 400, "invalid")
        for wrong in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
            assert_problem(await http.get("/api/search", params={"query": "x", "before": wrong}), 400, "invalid")
            assert_problem(await http.get(f"/api/rooms/{room}/date", params={"since": wrong}), 400, "invalid")
        for since, seq in ((sent[1]["at"], 2), ("2020-01-01", 1), ("2100-01-01", 4)):
            place = await http.get(f"/api/rooms/{room}/date", params={"since": since})
            assert place.json() == {"room": room, "seq": seq}
    async with httpx.AsyncClient(base_url=server.base_url) as signed_out:
        assert (await signed_out.get("/api/search", params={"query": "http"})).status_code == 401


async def test_flood_of_questions_is_limited(start_server: StartServer) -> None:
    own = start_server(LIMIT_CALLS_PER_S="10")
    async with with_token(own.base_url, await sign_up(own.base_url)) as http:
        answers = await asyncio.gather(*(http.get("/api/search", params={"query": "x"}) for _ in range(30)))
        assert {answer.status_code for answer in answers} == {200, 429}
