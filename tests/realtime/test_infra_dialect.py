"""/infra/ws: typed envelopes with JSON in a string."""

import json
import secrets
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Connect
from tests.support.chat_client import Account, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server

NOBODY = 2**52


def envelope(text: Any, **content: Any) -> str:
    return json.dumps({"type": "demo-message-send", "content": json.dumps({"text": text, **content})})


async def received(socket: PlainSocket, text: str) -> dict[str, Any]:
    """Return the content of the message with this text.

    The lobby is shared: others are skipped.
    """
    while True:
        frame = await socket.receive_json()
        assert set(frame) == {"type", "content"}
        assert frame["type"] == "demo-message-receive"
        content: dict[str, Any] = json.loads(frame["content"])
        assert set(content) == {"fromUserId", "text", "single"}
        if content["text"] == text:
            return content


async def silent(socket: PlainSocket, text: str) -> None:
    """Check all frames before a later message for this text."""
    marker = secrets.token_hex(8)
    await socket.send(envelope(marker))
    while True:
        content = json.loads((await socket.receive_json())["content"])
        assert content["text"] != text
        if content["text"] == marker:
            return


@pytest.mark.parametrize("to", [{}, {"toUserId": None}, {"toUserId": ""}, {"toUserId": 0}, {"toUserId": "0"}], ids=str)
async def test_message_without_a_receiver_reaches_all(plain: Any, ada: Account, bob: Account, to: dict[str, Any]) -> None:
    mine, theirs = await plain("/infra/ws", ada), await plain("/infra/ws/", bob)
    text = secrets.token_hex(8)
    await mine.send(envelope(text, **to))
    for socket in (mine, theirs):
        assert await received(socket, text) == {"fromUserId": ada.id, "text": text, "single": False}


async def test_message_to_all_reaches_the_lobby_of_other_dialects(
    plain: Any, connect: Connect, ada: Account, bob: Account
) -> None:
    infra, lines, native = await plain("/infra/ws", ada), await plain("/ws/chat/", bob), await connect(bob)
    await native.join("lobby")
    text = secrets.token_hex(8)
    await infra.send(envelope(text))
    assert (await native.expect("message", text=text))["from"] == {"id": ada.id, "name": ada.name}
    while (frame := await lines.receive_json())["message"] != text:
        pass
    assert frame["user"] == ada.name
    text = secrets.token_hex(8)
    await native.send("lobby", text)
    assert (await received(infra, text))["fromUserId"] == bob.id


@pytest.mark.parametrize("spelled", [int, str])
async def test_direct_message_reaches_all_devices_of_its_receiver(server: Server, plain: Any, spelled: type) -> None:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    mine, mine_too = await plain("/infra/ws", ada), await plain("/infra/ws", ada)
    devices = [await plain("/infra/ws", bob) for _ in range(4)]
    stranger = await plain("/infra/ws", await sign_up(server.base_url))
    for turn in range(3):  # the first makes the room
        text = f"psst {turn} {secrets.token_hex(4)}"
        await mine.send(envelope(text, toUserId=spelled(bob.id)))
        for device in devices:
            assert await received(device, text) == {"fromUserId": ada.id, "text": text, "single": True}
        for socket in (mine, mine_too, stranger):
            await silent(socket, text)
    for device in devices[:2]:
        text = secrets.token_hex(8)
        await device.send(envelope(text, toUserId=ada.id))
        for socket in (mine, mine_too):
            assert (await received(socket, text))["single"] is True
        await silent(device, text)


async def test_direct_messages_are_the_same_in_both_dialects(server: Server, plain: Any, connect: Connect) -> None:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    infra, native = await plain("/infra/ws", bob), await connect(ada)
    text = secrets.token_hex(8)
    sent = await native.send_to(bob.id, text)
    assert await received(infra, text) == {"fromUserId": ada.id, "text": text, "single": True}
    await native.join(sent["room"])
    await infra.send(envelope("back", toUserId=ada.id))
    assert (await native.expect("message", room=sent["room"]))["text"] == "back"


async def test_ping_gets_a_pong(plain: Any, ada: Account) -> None:
    socket = await plain("/infra/ws", ada)
    await socket.send("ping")
    while (answer := await socket.receive()) != "pong":
        assert json.loads(answer)["type"] == "demo-message-receive"


INVALID = {
    "no JSON": "hello",
    "empty": "",
    "an array": "[]",
    "a number": "7",
    "no type": '{"content": "{}"}',
    "another type": '{"type": "demo-message-receive", "content": "{}"}',
    "a type that is no string": '{"type": [1], "content": "{}"}',
    "no content": '{"type": "demo-message-send"}',
    "content that is no string": '{"type": "demo-message-send", "content": {"text": "hi"}}',
    "content that is no JSON": '{"type": "demo-message-send", "content": "hi"}',
    "content that is no object": '{"type": "demo-message-send", "content": "[1]"}',
    "deep": '{"type": "demo-message-send", "content": "' + "[" * 50_000 + '"}',
    "deep outside": '{"type": ' + "[" * 50_000,
    "no text": json.dumps({"type": "demo-message-send", "content": "{}"}),
    "text a number": envelope(7),
    "text null": envelope(None),
    "text empty": envelope(""),
    "text blank": envelope(" \n"),
    "text too long": envelope("x" * 10_001),
    "NUL": envelope("a\0b"),
    "a lone surrogate": envelope("\ud83d"),
    "receiver unknown": envelope("x", toUserId=NOBODY),
    "receiver unknown, spelled": envelope("x", toUserId=str(NOBODY)),
    "receiver negative": envelope("x", toUserId=-1),
    "receiver a fraction": envelope("x", toUserId=1.5),
    "receiver a truth": envelope("x", toUserId=True),
    "receiver a list": envelope("x", toUserId=[1]),
    "receiver huge": envelope("x", toUserId=10**30),
    "receiver of 5000 digits": envelope("x", toUserId="9" * 5000),
    "receiver in other digits": envelope("x", toUserId="²"),
}


async def ignored(server: Server) -> float:
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        text = (await http.get("/metrics")).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "hubbub_frames_refused_total"
    )


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID.keys())
async def test_invalid_envelope_is_ignored_and_counted(server: Server, plain: Any, ada: Account, text: str) -> None:
    socket = await plain("/infra/ws", ada)
    before = await ignored(server)
    await socket.send(text)
    await socket.send("ping")
    assert await socket.receive() == "pong"
    assert await ignored(server) == before + 1


async def test_message_to_oneself_is_refused(server: Server, plain: Any, ada: Account) -> None:
    socket, device = await plain("/infra/ws", ada), await plain("/infra/ws", ada)
    before = await ignored(server)
    await socket.send(envelope("note to self", toUserId=ada.id))
    await silent(socket, "note to self")
    await silent(device, "note to self")
    assert await ignored(server) == before + 1
