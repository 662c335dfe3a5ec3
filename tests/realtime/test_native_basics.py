"""/ws/: the greeting, ids, pings, and the exact fields of every frame."""

import json
from typing import Any

import pytest

from config.features import FEATURES, name_of
from tests.conftest import Connect
from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.server import Server
from tests.support.shapes import assert_shape


async def test_hello_has_its_fields(connect: Connect, ada: Account) -> None:
    chat = await connect(ada)
    assert chat.hello == {
        "type": "hello",
        "protocol": 1,
        "user": {"id": ada.id, "name": ada.name},
        "heartbeat": 20,
        "limits": {"text": 10_000, "frame": 262_144, "rate": 20},
        "epoch": chat.hello["epoch"],
        "features": [*(name_of(package) for package in FEATURES), "replies", "mentions"],
    }
    assert_shape(chat.hello)
    # Every process says the same, at each join, too.
    others = [await connect(ada) for _ in range(4)]
    joined = [await other.join("lobby") for other in others]
    assert {one["epoch"] for one in (*joined, *(other.hello for other in others))} == {chat.hello["epoch"]}
    assert len(chat.hello["epoch"]) == 16


async def test_path_works_without_the_last_slash(connect: Connect, ada: Account) -> None:
    assert (await connect(ada, path="/ws")).hello["user"]["id"] == ada.id


@pytest.mark.parametrize("number", [1, 0, -1, 2**53, "a", "", "x" * 1000, "ключ \N{KEY}"], ids=ascii)
async def test_id_returns_as_re(plain: Any, ada: Account, number: int | str) -> None:
    socket = await plain("/ws/", ada)
    await socket.receive_type("hello")
    await socket.send_json({"type": "ping", "id": number})
    assert await socket.receive_type("pong") == {"type": "pong", "re": number}


async def test_re_is_null_without_an_id(plain: Any, ada: Account) -> None:
    socket = await plain("/ws/", ada)
    await socket.receive_type("hello")
    await socket.send('{"type":"ping"}')
    assert await socket.receive_type("pong") == {"type": "pong", "re": None}
    await socket.send('{"type":"ping","id":null}')
    assert await socket.receive_type("pong") == {"type": "pong", "re": None}
    await socket.send('{"type":"nonsense"}')
    assert (await socket.receive_type("error"))["re"] is None


async def test_bare_ping_gets_a_bare_pong(plain: Any, ada: Account) -> None:
    socket = await plain("/ws/", ada)
    await socket.receive_type("hello")
    await socket.send("ping")
    while (text := await socket.receive()) != "pong":
        assert "re" not in json.loads(text)  # news of rooms where others write may come before it


async def test_replies_come_in_the_order_of_their_requests(plain: Any, ada: Account) -> None:
    socket = await plain("/ws/", ada)
    await socket.receive_type("hello")
    requests: list[dict[str, Any]] = [
        {"type": "room.join", "room": "lobby"},
        {"type": "ping"},
        {"type": "room.leave", "room": "lobby"},
    ]
    for number, request in enumerate(requests * 5):
        await socket.send(json.dumps(request | {"id": number}))
    replies: list[tuple[int, str]] = []
    while len(replies) < 15:
        frame = await socket.receive_json()
        if "re" in frame:
            replies.append((frame["re"], frame["type"]))
    assert replies == list(enumerate(["room.joined", "pong", "ok"] * 5))


async def test_every_frame_has_its_documented_fields(server: Server, connect: Connect) -> None:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    writer, reader, away = await connect(ada), await connect(bob), await connect(bob)
    for reply in (
        await writer.join(room),
        await reader.join(room),
        await writer.request("ping"),
        await writer.send(room, "hi", key="first"),
        await writer.request("read", room=room, upto=1),
        await writer.request("history", room=room, before=2),
        await writer.request("history", room=room, after=0),
        await writer.send_to(bob.id, "psst"),
    ):
        assert_shape(reply)
    await writer.push("typing", room=room)
    for type_ in ("message", "typing", "read"):
        assert_shape(await reader.expect(type_, room=room))
    assert_shape(await writer.expect("presence", room=room))  # the reader became a member
    assert_shape(await writer.expect("message", room=room), own=True)
    assert_shape(await away.expect("unread"))
    page = await _joined_again(reader, room)
    assert [event["seq"] for event in page["events"]] == [1]
    assert_shape(page["events"][0])
    assert_shape(await reader.request("room.leave", room=room))
    await reader.push("nonsense")
    assert_shape(await reader.expect("error"))


async def test_key_is_seen_by_its_author_alone(server: Server, connect: Connect) -> None:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    phone, desk, other = await connect(ada), await connect(ada), await connect(bob)
    for chat in (phone, desk, other):
        await chat.join(room)
    await phone.send(room, "mine", key="my-key")
    for chat, key in ((phone, "my-key"), (desk, "my-key"), (other, None)):
        seen = [
            await chat.expect("message", room=room),
            (await _joined_again(chat, room))["events"][0],
            (await chat.join(room, after=0))["events"][0],
            (await chat.request("history", room=room, before=9))["messages"][0],
        ]
        assert [message.get("key") for message in seen] == [key] * 4
        assert all(("key" in message) == (key is not None) for message in seen)


async def _joined_again(chat: ChatClient, room: str) -> dict[str, Any]:
    page: dict[str, Any] = await chat.join(room)
    assert_shape(page)
    return page
