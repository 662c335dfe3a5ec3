"""quiz.create, quiz.start, quiz.answer over real sockets, and the server's clock."""

import asyncio
import json
import secrets
from typing import Any

import pytest

from tests.conftest import Connect, StartServer
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, Frame, code_of, create_room, sign_up
from tests.support.server import Server

# Patience with a machine that is busy with other things.
LONG_S = 30
FIRST: Frame = {"text": "Two and two?", "choices": ["three", "four", "five"], "right": 1, "seconds": 2}
QUIZ: Frame = {"title": "Sums", "questions": [FIRST, {"text": "Nothing?", "choices": ["0", "1"], "right": 0, "seconds": 1}]}


async def send(chat: ChatClient, type_: str, room: str, **fields: Any) -> Frame:
    reply = await chat.request(type_, room=room, **({"key": secrets.token_hex(8)} | fields))
    assert set(reply) == {"type", "re", "room", "seq", "at", "duplicate"}
    return reply


async def code(chat: ChatClient, type_: str, room: str, **fields: Any) -> str:
    return await code_of(send(chat, type_, room, **fields))


async def test_quiz_from_lobby_to_scores(server: Server, connect: Connect, ada: Account, bob: Account, room: str) -> None:
    host, player, other = await connect(ada), await connect(bob), await connect()
    for chat in (host, player, other):
        await chat.join(room)
    seq = (await send(host, "quiz.create", room, **QUIZ, key="quiz"))["seq"]
    thing = await player.expect("quiz", seq=seq)
    assert {name: thing[name] for name in ("title", "count", "phase", "question", "answered", "players", "scores")} == {
        "title": "Sums", "count": 2, "phase": "lobby", "question": None, "answered": 0, "players": 0, "scores": [],
    }  # fmt: skip
    assert await code(player, "quiz.answer", room, target=seq, question=0, choice=1) == "closed"
    assert await code(player, "quiz.start", room, target=seq) == "forbidden"
    await send(host, "quiz.start", room, target=seq, key="start")
    assert await code(host, "quiz.start", room, target=seq) == "closed"
    asked = (await player.expect("quiz.asked", question=0))["state"]["question"]
    assert (asked["index"], asked["text"], asked["right"], asked["counts"]) == (0, FIRST["text"], None, None)
    right = await send(player, "quiz.answer", room, target=seq, question=0, choice=1, key="answer")
    await send(other, "quiz.answer", room, target=seq, question=0, choice=2)
    again = await send(player, "quiz.answer", room, target=seq, question=0, choice=2, key="answer")
    assert (again["seq"], again["duplicate"]) == (right["seq"], True)
    assert await code(player, "quiz.answer", room, target=seq, question=0, choice=1) == "too_many"
    assert await code(host, "quiz.answer", room, target=seq, question=0, choice=1) == "forbidden"
    async with with_token(server.base_url, bob) as http:
        before = (await http.get(f"/api/rooms/{room}/quiz/{seq}/mine")).json()
        assert (before["score"], before["rank"], before["question"], before["choice"]) == (0, 1, 0, 1)
        revealed = (await player.expect("quiz.revealed", timeout=LONG_S))["state"]
        assert (revealed["question"]["right"], revealed["question"]["counts"]) == (1, [0, 1, 1])
        assert await code(player, "quiz.answer", room, target=seq, question=0, choice=0) == "closed"
        await player.expect("quiz.asked", question=1, timeout=LONG_S)
        ended = (await player.expect("quiz.ended", timeout=LONG_S))["state"]
        assert (ended["phase"], ended["players"], ended["question"]["right"]) == ("ended", 2, 0)
        first, second = ended["scores"]
        assert (first["id"], second["score"]) == (bob.id, 0)
        assert 500 <= first["score"] < 1_000
        mine = (await http.get(f"/api/rooms/{room}/quiz/{seq}/mine")).json()
        assert (mine["score"], mine["rank"], mine["players"]) == (first["score"], 1, 2)
    # A client that was away has the same state, and so has the page.
    events = await player.catch_up(room, after=0)
    assert events[0]["scores"] == ended["scores"]
    assert all(event["state"] == ended for event in events if event["type"].startswith("quiz."))


async def test_right_answer_is_nowhere_before_its_time(
    server: Server, connect: Connect, ada: Account, bob: Account, room: str
) -> None:
    host, player = await connect(ada), await connect(bob)
    await player.join(room)
    questions = [{"text": "Which?", "choices": ["a", "b"], "right": 1, "seconds": 300}]
    seq = (await send(host, "quiz.create", room, title="Secret", questions=questions))["seq"]
    await send(host, "quiz.start", room, target=seq)
    await send(player, "quiz.answer", room, target=seq, question=0, choice=1)
    stranger = await sign_up(server.base_url)
    for account in (ada, bob):
        fresh = await connect(account)
        seen: list[Any] = [await fresh.join(room), await fresh.catch_up(room, after=0)]
        seen.append(await fresh.request("history", room=room, before=2**40))
        async with with_token(server.base_url, account) as http:
            seen.append((await http.get(f"/api/rooms/{room}/messages")).json())
        text = json.dumps([*seen, player.pending_frames()])
        assert '"questions"' not in text
        assert '"right": 1' not in text
        assert '"choice": ' not in text
        assert '"counts": [' not in text
    async with with_token(server.base_url, stranger) as http:
        assert_problem(await http.get(f"/api/rooms/{room}/quiz/{seq}/mine"), 403, "not_a_member")
    assert await code(await connect(stranger), "quiz.answer", room, target=seq, question=0, choice=1) == "not_a_member"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"questions": []}, "bad_frame"),
        ({"questions": [FIRST] * 51}, "bad_frame"),
        ({"questions": [FIRST | {"choices": ["one"]}]}, "bad_frame"),
        ({"questions": [FIRST | {"right": 3}]}, "bad_frame"),
        ({"questions": [FIRST | {"seconds": 0}]}, "bad_frame"),
        ({"questions": [FIRST | {"seconds": 301}]}, "bad_frame"),
        ({"questions": [FIRST | {"choices": ["a", "\0"]}]}, "bad_frame"),
        ({"questions": [FIRST | {"text": ""}]}, "empty"),
        ({"title": "x" * 201}, "too_long"),
        ({"questions": [FIRST | {"text": "x" * 2_001}]}, "too_long"),
        ({"questions": [FIRST | {"choices": ["a", "x" * 2_001]}]}, "too_long"),
    ],
)
async def test_bad_quiz_is_refused(connect: Connect, ada: Account, room: str, fields: Frame, expected: str) -> None:
    chat = await connect(ada)
    assert await code(chat, "quiz.create", room, **(QUIZ | fields)) == expected


async def test_quiz_goes_on_after_the_server_was_killed(start_server: StartServer) -> None:
    server = start_server()
    host, player = await sign_up(server.base_url), await sign_up(server.base_url)
    room = await create_room(server.base_url, host)
    async with ChatClient(server.ws_url(), host) as one, ChatClient(server.ws_url(), player) as two:
        await two.join(room)
        questions = [FIRST | {"seconds": 25}, FIRST | {"seconds": 1}]  # a busy machine starts the server in ten seconds
        seq = (await send(one, "quiz.create", room, title="Again", questions=questions))["seq"]
        await send(one, "quiz.start", room, target=seq)
        await send(two, "quiz.answer", room, target=seq, question=0, choice=1)
        await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    async with ChatClient(server.ws_url(), player) as back:
        events = await back.catch_up(room, after=0)
        assert (events[0]["phase"], events[0]["answered"]) == ("asked", 1)
        assert await code(back, "quiz.answer", room, target=seq, question=0, choice=0) == "too_many"
        ended = (await back.expect("quiz.ended", timeout=60))["state"]
        assert [(score["id"], score["score"] >= 500) for score in ended["scores"]] == [(player.id, True)]
        log = await back.catch_up(room, after=0)
        assert [event["type"] for event in log if event["type"] != "quiz.answered"] == [
            "quiz", "quiz.asked", "quiz.revealed", "quiz.asked", "quiz.ended",
        ]  # fmt: skip
