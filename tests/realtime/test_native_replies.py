"""/ws/: replies and mentions, and how many of these are unread."""

import httpx
import pytest

from tests.conftest import Connect
from tests.support.api import with_token
from tests.support.chat_client import Account, ChatClient, Frame, Refused, sign_up
from tests.support.server import Server
from tests.support.shapes import assert_shape


@pytest.fixture
async def bob(server: Server) -> Account:
    return await sign_up(server.base_url)


async def say(chat: ChatClient, room: str, text: str, **fields: object) -> Frame:
    return await chat.request("message.send", room=room, text=text, key=f"{text}-{fields}"[:64], **fields)  # type: ignore[arg-type]


async def test_reply_carries_what_it_answers_in_its_present_state(
    connect: Connect, ada: Account, bob: Account, room: str
) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await mine.join(room)
    await theirs.join(room)
    await say(mine, room, "x" * 300)
    reply = await say(theirs, room, "I agree", reply_to=1)
    assert (await say(theirs, room, "I agree", reply_to=1))["duplicate"]
    quoted = {"seq": 1, "from": {"id": ada.id, "name": ada.name}, "text": "x" * 200}
    live = await mine.expect("message", seq=reply["seq"])
    assert live["reply_to"] == quoted
    assert_shape(live)
    await mine.request("message.edit", room=room, target=1, text="short", key="e")
    await theirs.request("message.edit", room=room, target=2, text="I do agree", key="f")
    for state, change in (("short", None), ("", "message.delete")):
        if change:
            await mine.request(change, room=room, target=1, key="d")
        (page,) = (await mine.request("history", room=room, after=1, limit=1))["messages"]
        assert (page["text"], page["reply_to"]) == ("I do agree", quoted | {"text": state})
        joined = await theirs.join(room, after=1)
        assert joined["events"][0]["reply_to"]["text"] == state
    await theirs.request("message.delete", room=room, target=2, key="g")
    (page,) = (await mine.request("history", room=room, after=1, limit=1))["messages"]
    assert "reply_to" not in page
    for target in (99, 3):  # nothing there, and an edit
        with pytest.raises(Refused, match="no_such_target"):
            await say(mine, room, "to whom?", reply_to=target)


async def test_reply_to_a_thing_quotes_its_title(connect: Connect, ada: Account, room: str) -> None:
    mine = await connect(ada)
    await mine.join(room)
    poll = await mine.request("poll.create", room=room, key="p", question="Where to?" + "?" * 250, options=["a", "b"])
    note = await mine.request("note.create", room=room, key="n", title="Minutes")
    for thing, words in ((poll, ("Where to?" + "?" * 250)[:200]), (note, "Minutes")):
        reply = await say(mine, room, f"about {words[:5]}", reply_to=thing["seq"])
        assert (await mine.expect("message", seq=reply["seq"]))["reply_to"]["text"] == words


async def test_reply_needs_membership(connect: Connect, ada: Account, room: str) -> None:
    mine, stranger = await connect(ada), await connect()
    await say(mine, room, "hi")
    with pytest.raises(Refused, match="not_a_member"):
        await say(stranger, room, "hi", reply_to=1)


async def test_mentions_are_counted_until_they_are_read(
    server: Server, connect: Connect, ada: Account, bob: Account, room: str
) -> None:
    other = await sign_up(server.base_url)
    async with with_token(server.base_url, ada) as http:
        for person in (bob, other):
            await http.post(f"/api/rooms/{room}/members", json={"user": person.id})
    mine, theirs = await connect(ada), await connect(bob)
    await mine.join(room)
    texts = ["plain", f"hello @{bob.name}!", f"@{bob.name.upper()} again, not @nobody-here", "@room all of you", f"@{other.name}"]
    named = [None, [bob.id], [bob.id], [0], [other.id]]
    for text, people in zip(texts, named, strict=True):
        sent = await say(mine, room, text)
        event = await mine.expect("message", seq=sent["seq"])
        assert event.get("mentions") == people
    async with with_token(server.base_url, bob) as http:
        assert await counted(http, room) == (5, 3)
        unread = await latest(theirs, head=5)
        assert (unread["count"], unread["mentions"]) == (5, 3)
        async with ChatClient(server.ws_url(), bob) as later:
            await mine.request("message.delete", room=room, target=2, key="d")
            assert await counted(http, room) == (5, 2)
            assert (await latest(later, head=6))["mentions"] == 2
        await theirs.request("read", room=room, upto=3)
        assert await counted(http, room) == (2, 1)
        assert (await latest(theirs, upto=3))["mentions"] == 1
        await theirs.request("read", room=room, upto=6)
        assert await counted(http, room) == (0, 0)
        assert (await latest(theirs, upto=6))["mentions"] == 0
    async with with_token(server.base_url, other) as http:
        assert await counted(http, room) == (5, 2)
        mentions = (await http.get("/api/mentions")).json()["mentions"]
        assert [(one["room"], one["seq"]) for one in mentions] == [(room, 4), (room, 5)]
    async with with_token(server.base_url, ada) as http:
        assert (await counted(http, room))[1] == 0


async def latest(chat: ChatClient, **wanted: int) -> Frame:
    """The next `unread` of this kind: they may be counted a second late."""
    return await chat.expect("unread", **wanted)


async def counted(http: httpx.AsyncClient, room: str) -> tuple[int, int]:
    found = (await http.get(f"/api/rooms/{room}")).json()
    return found["unread"], found["mentions"]
