"""/ws/: message.edit, message.delete, message.react, and what is unread meanwhile."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.conftest import Connect
from tests.support.api import with_token
from tests.support.chat_client import Account, ChatClient, Frame, code_of, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server
from tests.support.shapes import assert_shape

TYPES = {"message.edit": "message.edited", "message.delete": "message.deleted", "message.react": "reaction"}
FIELDS: dict[str, Frame] = {"message.edit": {"text": "new"}, "message.delete": {}, "message.react": {"emoji": "👍", "on": True}}


@pytest.fixture
async def bob(server: Server) -> Account:
    return await sign_up(server.base_url)


async def amend(chat: ChatClient, kind: str, room: str, target: int, *, key: str = "", **fields: Any) -> Frame:
    key = key or f"{kind}-{target}-{asyncio.get_running_loop().time()}"
    return await chat.request(kind, room=room, target=target, key=key, **(FIELDS[kind] | fields))


async def code(chat: ChatClient, kind: str, room: str, target: int, **fields: Any) -> str:
    return await code_of(amend(chat, kind, room, target, **fields))


async def test_amendments_reach_every_joined_socket(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, other, theirs = await connect(ada), await connect(ada), await connect(bob)
    for chat in (mine, other, theirs):
        await chat.join(room)
    await mine.send(room, "old")
    for seq, kind in enumerate(("message.edit", "message.react", "message.delete"), 2):
        reply = await amend(mine, kind, room, 1, key=f"k{seq}")
        assert (reply["type"], reply["room"], reply["seq"], reply["duplicate"]) == ("message.sent", room, seq, False)
        assert_shape(reply)
        for chat in (mine, other, theirs):
            event = await chat.expect(TYPES[kind])
            changed = {} if kind == "message.delete" else FIELDS[kind]
            assert event == {
                "type": TYPES[kind], "room": room, "seq": seq, "target": 1, "from": {"id": ada.id, "name": ada.name},
                "at": reply["at"], **changed, **({} if chat is theirs else {"key": f"k{seq}"}),
            }  # fmt: skip
        page = await theirs.request("history", room=room, after=0)
        (message,) = page["messages"]
        assert_shape(page)
        assert (message["text"], message["edited"], message["deleted"], message["reactions"]) == {
            "message.edit": ("new", True, False, {}),
            "message.react": ("new", True, False, {"👍": [ada.id]}),
            "message.delete": ("", True, True, {}),
        }[kind]


async def test_permissions_of_amending_frames(server: Server, connect: Connect, ada: Account, bob: Account, room: str) -> None:
    owner, author, stranger = await connect(ada), await connect(bob), await connect()
    await author.join(room)
    await author.send(room, "bob's")
    await owner.send(room, "ada's")
    table = [
        (owner, "message.edit", 1, "forbidden"),
        (author, "message.delete", 2, "forbidden"),
        (author, "message.edit", 2, "forbidden"),
        (stranger, "message.react", 1, "not_a_member"),
        (author, "message.react", 2, ""),
        (author, "message.edit", 1, ""),
        (owner, "message.react", 1, ""),
        (owner, "message.delete", 1, ""),
        (author, "message.edit", 1, "no_such_target"),
        (author, "message.react", 3, "no_such_target"),
        (author, "message.react", 99, "no_such_target"),
        (author, "message.edit", 2**53, "no_such_target"),
    ]
    for chat, kind, target, expected in table:
        assert await code(chat, kind, room, target) == expected, (kind, target)


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("message.edit", {"text": ""}, "empty"),
        ("message.edit", {"text": " \u200d"}, "empty"),
        ("message.edit", {"text": "x" * 10_001}, "too_long"),
        ("message.edit", {"text": "\0"}, "bad_frame"),
        ("message.react", {"emoji": "ok"}, "bad_frame"),
        ("message.react", {"emoji": "👍👍"}, "bad_frame"),
        ("message.react", {"emoji": "👍" + "\u200d👍" * 16}, "bad_frame"),
        ("message.delete", {"key": " "}, "bad_frame"),
    ],
)
async def test_bad_amendment_is_refused(
    connect: Connect, ada: Account, room: str, kind: str, fields: Frame, expected: str
) -> None:
    chat = await connect(ada)
    await chat.send(room, "hi")
    assert await code(chat, kind, room, 1, **fields) == expected
    assert (await chat.send(room, "next"))["seq"] == 2


async def test_message_takes_20_different_emoji(unlimited: Server) -> None:
    ada = await sign_up(unlimited.base_url)
    room = await create_room(unlimited.base_url, ada)
    async with ChatClient(unlimited.ws_url(), ada) as chat:
        await chat.send(room, "hi")
        faces = [chr(ord("😀") + number) for number in range(21)]
        codes = [await code(chat, "message.react", room, 1, emoji=face) for face in faces]
        assert codes == [""] * 20 + ["too_many"]


async def test_amendments_share_the_limit_of_messages(start_server: Callable[..., Server]) -> None:
    server = start_server(LIMIT_MESSAGES_PER_S="2")
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.send(room, "hi")
        codes = [await code(chat, "message.react", room, 1) for _ in range(6)]
        assert "rate_limited" in codes


async def test_key_of_an_amendment_sent_from_everywhere_is_stored_once(unlimited: Server) -> None:
    ada = await sign_up(unlimited.base_url)
    room = await create_room(unlimited.base_url, ada)
    sockets = [ChatClient(unlimited.ws_url(), ada) for _ in range(4)]
    for chat in sockets:
        await chat.open()
    try:
        await sockets[0].send(room, "hi")
        texts = [f"text {number}" for number in range(20)]
        replies = await asyncio.gather(
            *(amend(sockets[number % 4], "message.edit", room, 1, key="once", text=text) for number, text in enumerate(texts))
        )
        assert {reply["seq"] for reply in replies} == {2}
        assert sorted(reply["duplicate"] for reply in replies) == [False] + [True] * 19
        assert (await sockets[1].send(room, "the same key", key="once"))["duplicate"]
        assert (await sockets[1].send(room, "next"))["seq"] == 3
    finally:
        for chat in sockets:
            await chat.close()


async def test_concurrent_edits_and_reactions_end_in_one_state(unlimited: Server) -> None:
    ada = await sign_up(unlimited.base_url)
    people = [await sign_up(unlimited.base_url) for _ in range(5)]
    room = await create_room(unlimited.base_url, ada)
    sockets = [ChatClient(unlimited.ws_url(), account) for account in (ada, ada, *people)]
    for chat in sockets:
        await chat.open()
        await chat.join(room)
    try:
        await sockets[0].send(room, "hi")
        edits = [amend(sockets[number % 2], "message.edit", room, 1, text=str(number), key=f"e{number}") for number in range(20)]
        likes = [
            amend(chat, "message.react", room, 1, emoji=face, on=on, key=f"{face}{on}")
            for chat in sockets[2:]
            for face, on in (("👍", True), ("❤️", True), ("👍", False))
        ]
        replies = await asyncio.gather(*edits, *likes)
        assert sorted(reply["seq"] for reply in replies) == list(range(2, 2 + len(replies)))
        page = (await sockets[0].join(room, after=0))["events"]
        last = max((event for event in page if event["type"] == "message.edited"), key=lambda event: event["seq"])
        assert page[0]["text"] == last["text"]
        assert sorted(page[0]["reactions"]["❤️"]) == sorted(person.id for person in people)
        liked: dict[int, bool] = {}
        for event in page:
            if event.get("emoji") == "👍":
                liked[event["from"]["id"]] = event["on"]
        assert set(page[0]["reactions"].get("👍", [])) == {person for person, on in liked.items() if on}
    finally:
        for chat in sockets:
            await chat.close()


async def test_resume_brings_amendments_and_the_present_state(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await theirs.join(room)
    await mine.send(room, "one")
    await mine.send(room, "two")
    await theirs.close()
    for text in ("two, better", "two, best"):
        await amend(mine, "message.edit", room, 2, text=text)
    await amend(mine, "message.react", room, 1)
    await amend(mine, "message.delete", room, 1)
    again = await connect(bob)
    events = await again.catch_up(room, after=1)
    assert [(event["type"], event["seq"], event.get("target"), event.get("text")) for event in events] == [
        ("message", 2, None, "two, best"),
        ("message.edited", 3, 2, "two, best"),
        ("message.edited", 4, 2, "two, best"),
        ("reaction", 5, 1, None),
        ("message.deleted", 6, 1, None),
    ]
    fresh = await connect(bob)
    page = await fresh.join(room)
    assert [(event["seq"], event["text"], event["deleted"]) for event in page["events"]] == [
        (1, "", True),
        (2, "two, best", False),
    ]
    assert page["head"] == 6
    await mine.send(room, "three")
    assert (await fresh.expect("message"))["seq"] == 7


async def test_simple_dialects_hear_nothing_of_amendments(server: Server, connect: Connect, ada: Account, plain: Any) -> None:
    chat = await connect(ada)
    await chat.join("lobby")
    line: PlainSocket = await plain("/ws/chat/", ada)
    infra: PlainSocket = await plain("/infra/ws", ada)
    sent = await chat.send("lobby", "before")
    for kind in ("message.edit", "message.react", "message.delete"):
        await amend(chat, kind, "lobby", sent["seq"])
    await chat.send("lobby", "after")
    for socket in (line, infra):
        heard = [await socket.receive_json() for _ in range(2)]
        assert ["before" in str(heard[0]), "after" in str(heard[1])] == [True, True], heard


async def test_unread_counts_messages_only(server: Server, connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, reading, away = await connect(ada), await connect(bob), await connect(bob)
    await reading.join(room)
    async with with_token(server.base_url, bob) as http:

        async def listed() -> tuple[int, int, int]:
            found = (await http.get(f"/api/rooms/{room}")).json()
            return found["head"], found["upto"], found["unread"]

        await mine.send(room, "one")
        for kind in ("message.edit", "message.react"):
            await amend(mine, kind, room, 1)
        await mine.send(room, "two")
        await unread(away, room, head=4, upto=0, count=2)
        assert await listed() == (4, 0, 2)
        last_at = (await http.get(f"/api/rooms/{room}")).json()["last_at"]
        await reading.request("read", room=room, upto=2)  # an edit
        await unread(away, room, head=4, upto=2, count=1)
        assert await listed() == (4, 2, 1)
        for _ in range(3):
            await amend(mine, "message.react", room, 1)
        await unread(away, room, head=7, upto=2, count=1)
        assert (await http.get(f"/api/rooms/{room}")).json()["last_at"] == last_at
        await reading.request("read", room=room, upto=7)
        await unread(away, room, head=7, upto=7, count=0)
        later = await connect(bob)
        await mine.send(room, "three")
        await unread(later, room, head=8, upto=7, count=1)
        assert await listed() == (8, 7, 1)
        await later.close()


async def unread(chat: ChatClient, room: str, **fields: int) -> None:
    """At most once a second one comes: the last of those is waited for."""
    frame = await chat.expect("unread", room=room, head=fields["head"], upto=fields["upto"])
    assert frame["count"] == fields["count"], frame


async def test_new_member_has_read_the_amendments_too(server: Server, connect: Connect, ada: Account, room: str) -> None:
    mine = await connect(ada)
    await mine.send(room, "one")
    await amend(mine, "message.react", room, 1)
    carl = await sign_up(server.base_url)
    async with with_token(server.base_url, ada) as http, with_token(server.base_url, carl) as theirs:
        answer = await http.post(f"/api/rooms/{room}/members", json={"user": carl.id})
        assert answer.status_code == httpx.codes.CREATED
        assert (await theirs.get(f"/api/rooms/{room}")).json()["unread"] == 0
    chat = await connect(carl)
    await mine.send(room, "two")
    await unread(chat, room, head=3, upto=2, count=1)
