"""The server's keys are its own: no client stores an event under one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chat.keys import LONGEST, RESERVED, ServerKey, key_text
from core.errors import BadFrame
from tests.conftest import Connect
from tests.support.api import anonymous, assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, Frame, Refused
from tests.support.server import Server


def test_key_text_tells_clients_from_the_server() -> None:
    assert key_text(ServerKey("due", 7, 41)) == "server:due:7:41"
    for key in ("k", "due:7:41", "Server:due", " server:", "k" * LONGEST):
        assert key_text(key) == key
    for key in ("", " \t", RESERVED, ServerKey("due", 7, 41).text, "k" * (LONGEST + 1)):
        with pytest.raises(BadFrame):
            key_text(key)
    longest = ServerKey("location.ended", 2**63)
    assert len(longest.text) <= LONGEST


async def refusal(chat: ChatClient, type_: str, **fields: Any) -> str:
    with pytest.raises(Refused) as refused:
        await chat.request(type_, **fields)
    assert RESERVED in refused.value.frame["message"], "it says why"
    return refused.value.code


async def test_key_of_the_server_is_refused_in_every_frame(server: Server, connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    seq = (await chat.send(room, "hi"))["seq"]
    of = {"room": room, "key": "server:due:1:1"}
    frames: list[tuple[str, Frame]] = [
        ("message.send", {"text": "hi"}),
        ("message.send", {"text": "hi", "reply_to": seq}),
        ("message.send", {"text": "hi", "files": ["f" * 32]}),
        ("message.edit", {"target": seq, "text": "ho"}),
        ("message.delete", {"target": seq}),
        ("message.react", {"target": seq, "emoji": "👍", "on": True}),
        ("poll.create", {"question": "Tea?", "options": ["a", "b"], "multiple": False, "secret": False}),
        ("location.share", {"seconds": 60}),
    ]
    for type_, fields in frames:
        assert await refusal(chat, type_, **of, **fields) == "bad_frame", (type_, fields)
    async with with_token(server.base_url, ada) as http, anonymous(server.base_url) as program:
        token = (await http.post(f"/api/rooms/{room}/hooks", json={"name": "CI"})).json()["token"]
        answer = await program.post(f"/api/hooks/{token}", json={"text": "hi"}, headers={"Idempotency-Key": of["key"]})
    assert_problem(answer, 400, "bad_frame")
    assert (await chat.join(room))["head"] == seq, "nothing was stored"


async def begin_poll(chat: ChatClient, room: str) -> tuple[int, datetime, str]:
    """Begin a thing that is due soon.

    Return its seq, the time, and the kind of the server's event.
    """
    at = datetime.now(UTC) + timedelta(seconds=2)
    poll: Frame = {"question": "Tea?", "options": ["a", "b"], "multiple": False, "secret": False, "closes_at": at.isoformat()}
    return (await chat.request("poll.create", room=room, key="poll", **poll))["seq"], at, "poll.closed"


async def begin_quiz(chat: ChatClient, room: str) -> tuple[int, datetime, str]:
    question = {"text": "Two and two?", "choices": ["three", "four"], "right": 1, "seconds": 2}
    seq = (await chat.request("quiz.create", room=room, key="quiz", title="Sums", questions=[question]))["seq"]
    await chat.request("quiz.start", room=room, key="start", target=seq)
    state = (await chat.expect("quiz.asked", target=seq))["state"]
    return seq, datetime.fromisoformat(state["question"]["until"]), "quiz.ended"


async def begin_game(chat: ChatClient, room: str, black: ChatClient) -> tuple[int, datetime, str]:
    seq = (await chat.request("chess.offer", room=room, key="offer", seconds=10, increment=0))["seq"]
    await black.request("chess.accept", room=room, key="accept", target=seq)
    at = datetime.fromisoformat((await chat.expect("chess.accepted", target=seq))["at"])
    return seq, at + timedelta(seconds=10), "chess.ended"


@pytest.mark.parametrize("thing", ["poll", "quiz", "game"])
async def test_server_acts_whatever_keys_the_author_used(
    connect: Connect, ada: Account, bob: Account, room: str, thing: str
) -> None:
    """The server's event is in the author's name, so both have one namespace."""
    chat, other = await connect(ada), await connect(bob)
    await chat.join(room)
    await other.join(room)
    if thing == "game":
        seq, at, ending = await begin_game(chat, room, other)
    else:
        seq, at, ending = await (begin_poll if thing == "poll" else begin_quiz)(chat, room)
    key = f"due:{seq}:{int(at.timestamp() * 1_000)}"
    await chat.send(room, "mine", key=key)
    assert await refusal(chat, "message.send", room=room, text="mine", key=f"{RESERVED}{key}") == "bad_frame"
    await other.expect(ending, target=seq, timeout=25)
    reply: Frame = {"room": room, "text": "mine", "reply_to": seq, "key": f"{RESERVED}{key}"}
    assert await refusal(chat, "message.send", **reply) == "bad_frame", "the event under it is no message of hers"
