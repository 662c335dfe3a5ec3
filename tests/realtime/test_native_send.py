"""/ws/: message.send: gapless seqs, keys stored once, direct rooms."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Connect
from tests.support.api import with_token
from tests.support.chat_client import Account, ChatClient, Refused, create_room, sign_up
from tests.support.server import Server
from tests.support.shapes import assert_shape


async def test_message_reaches_all_joined_and_its_sender(server: Server, connect: Connect, ada: Account) -> None:
    room = await create_room(server.base_url, ada)
    one, two, three = await connect(ada), await connect(ada), await connect()
    for chat in (one, two, three):
        await chat.join(room)
    sent = await one.send(room, "hello all", key="k1")
    assert (sent["room"], sent["seq"], sent["duplicate"]) == (room, 1, False)
    at = datetime.fromisoformat(sent["at"])
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    for chat in (one, two, three):
        event = await chat.expect("message")
        assert (event["seq"], event["text"], event["from"], event["at"]) == (
            1, "hello all", {"id": ada.id, "name": ada.name}, sent["at"],
        )  # fmt: skip
        assert (event["edited"], event["deleted"], event["reactions"]) == (False, False, {})


async def test_text_arrives_unchanged(connect: Connect, stranger: Account) -> None:
    chat = await connect(stranger)
    await chat.join("lobby")
    texts = ["</script><b>", " kept ", 'a "quote" \\ and \\u0041', "line\nline\r\n\ttab", "a\u2028\u202e\ufeff", "é vs e\u0301"]
    for text in [*texts, "\N{FAMILY}\u200d\N{GIRL}", "\x7f\x01b", "{}", "ping", '{"type":"message"}']:
        sent = await chat.send("lobby", text)
        assert (await chat.expect("message", room="lobby", seq=sent["seq"]))["text"] == text


async def test_seqs_count_up_from_one_in_each_room(server: Server, connect: Connect, ada: Account) -> None:
    rooms = [await create_room(server.base_url, ada) for _ in range(2)]
    chat = await connect(ada)
    assert [(await chat.send(room, "x"))["seq"] for room in rooms * 3] == [1, 1, 2, 2, 3, 3]


async def test_same_key_is_stored_once(server: Server, connect: Connect, ada: Account) -> None:
    chat = await connect(ada)
    room = await create_room(server.base_url, ada)
    await chat.join(room)
    first = await chat.send(room, "once", key="same")
    again = await chat.send(room, "once", key="same")
    other_text = await chat.send(room, "changed my mind", key="same")
    assert [reply["duplicate"] for reply in (first, again, other_text)] == [False, True, True]
    assert {reply["seq"] for reply in (first, again, other_text)} == {1}
    assert {reply["at"] for reply in (first, again, other_text)} == {first["at"]}
    assert (await chat.expect("message"))["text"] == "once"
    await chat.expect_nothing("message")


async def test_key_sent_on_all_sockets_at_once_is_stored_once(unlimited: Server) -> None:
    ada = await sign_up(unlimited.base_url)
    room = await create_room(unlimited.base_url, ada)
    sockets = [ChatClient(unlimited.ws_url(), ada) for _ in range(8)]
    for socket in sockets:
        await socket.open()
    await sockets[0].join(room)
    for turn in range(10):
        replies = await asyncio.gather(*[socket.send(room, "race", key=f"race-{turn}") for socket in sockets])
        assert {reply["seq"] for reply in replies} == {turn + 1}
        assert sorted(reply["duplicate"] for reply in replies) == [False] + [True] * 7
    for turn in range(10):
        await sockets[0].expect("message", seq=turn + 1, key=f"race-{turn}")
    await sockets[0].expect_nothing("message")
    for socket in sockets:
        await socket.close()


async def test_key_is_a_duplicate_after_its_alias_was_taken(server: Server, connect: Connect) -> None:
    eve, room, name = await sign_up(server.base_url), "lobby", f"captain-{secrets.token_hex(6)}"
    one = await connect(eve)
    await one.join(room)
    message: dict[str, Any] = {"room": room, "text": "aye", "key": "k", "alias": name}
    first = await one.request("message.send", **message)
    await sign_up(server.base_url, name)
    other = await connect(eve)  # a socket remembers the aliases that it has checked
    again = await other.request("message.send", **message)
    assert again == {**first, "re": again["re"], "duplicate": True}
    with pytest.raises(Refused, match="bad_frame"):
        await other.request("message.send", **message | {"key": "k2"})


async def test_direct_key_is_a_duplicate_after_an_account_closed(server: Server, connect: Connect) -> None:
    mine, bob = await connect(), await sign_up(server.base_url)
    first = await mine.send_to(bob.id, "hi", key="k")
    server.shell(f"from accounts.models import User\nUser.objects.filter(id={bob.id}).update(is_active=False)")
    for to in (bob.id, bob.name):
        again = await mine.send_to(to, "hi", key="k")
        assert again == {**first, "re": again["re"], "duplicate": True}
        with pytest.raises(Refused, match="no_such_target"):
            await mine.send_to(to, "hi", key="k2")


async def test_former_member_gets_not_a_member_for_any_key(server: Server, connect: Connect, ada: Account) -> None:
    room, eve = await create_room(server.base_url, ada), await sign_up(server.base_url)
    chat = await connect(eve)
    await chat.join(room)
    message: dict[str, Any] = {"room": room, "text": "hi", "key": "k", "reply_to": 1}
    await chat.send(room, "first")
    await chat.request("message.send", **message)
    async with with_token(server.base_url, eve) as http:
        assert (await http.delete(f"/api/rooms/{room}/members/{eve.id}")).status_code == 204
    with pytest.raises(Refused, match="not_a_member"):
        await chat.request("message.send", **message)


async def test_keys_are_a_namespace_of_author_and_room(server: Server, connect: Connect, ada: Account) -> None:
    here, there = await create_room(server.base_url, ada), await create_room(server.base_url, ada)
    mine, theirs = await connect(ada), await connect()
    await theirs.join(here)
    assert (await mine.send(here, "a", key="k"))["duplicate"] is False
    assert (await mine.send(there, "a", key="k"))["duplicate"] is False
    assert (await theirs.send(here, "a", key="k"))["duplicate"] is False
    assert (await theirs.join(here))["head"] == 2


async def test_keys_differ_by_case(server: Server, connect: Connect, ada: Account) -> None:
    room = await create_room(server.base_url, ada)
    chat = await connect(ada)
    assert [(await chat.send(room, "x", key=key))["seq"] for key in ("k", "K", "k ", "\u212a")] == [1, 2, 3, 4]


async def test_many_writers_leave_no_gap(unlimited: Server) -> None:
    people = [await sign_up(unlimited.base_url) for _ in range(6)]
    room = await create_room(unlimited.base_url, people[0])
    chats = [ChatClient(unlimited.ws_url(), person) for person in people]
    for chat in chats:
        await chat.open()
        await chat.join(room)
    replies = await asyncio.gather(*[chat.send(room, "x", key=f"{n}") for chat in chats for n in range(30)])
    assert sorted(reply["seq"] for reply in replies) == list(range(1, 181))
    for chat in chats:
        seen = [(await chat.expect("message", room=room))["seq"] for _ in range(180)]
        assert seen == list(range(1, 181))
        await chat.close()


async def test_a_direct_message_by_id_and_by_name_is_one_room(server: Server, connect: Connect) -> None:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    mine, theirs = await connect(ada), await connect(bob)
    by_id = await mine.send_to(bob.id, "by id")
    by_name = await mine.send_to(bob.name, "by name")
    shouted = await mine.send_to(bob.name.upper(), "by NAME")
    back = await theirs.send_to(ada.id, "back")
    assert {reply["room"] for reply in (by_id, by_name, shouted, back)} == {f"dm-{ada.id}-{bob.id}"}
    assert [reply["seq"] for reply in (by_id, by_name, shouted, back)] == [1, 2, 3, 4]
    page = await theirs.join(by_id["room"])
    assert page["member_count"] == 2
    assert [(event["from"]["id"], event["text"]) for event in page["events"]] == [
        (ada.id, "by id"), (ada.id, "by name"), (ada.id, "by NAME"), (bob.id, "back"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "code"), [({"text": " "}, "empty"), ({"text": "x" * 10_001}, "too_long"), ({"key": " "}, "bad_frame")]
)
async def test_refused_direct_message_makes_no_room(
    server: Server, connect: Connect, ada: Account, bob: Account, fields: dict[str, str], code: str
) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    with pytest.raises(Refused) as refused:
        asked: dict[str, Any] = {"to": bob.id, "key": "k", "text": "hi"} | fields
        await mine.request("message.send", **asked)
    assert refused.value.code == code
    await theirs.expect_nothing("room.added", seconds=0.2)


async def test_a_direct_room_made_from_both_sides_at_once_is_one(server: Server, connect: Connect) -> None:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    mine, theirs = await connect(ada), await connect(bob)
    one, other = await asyncio.gather(mine.send_to(bob.id, "hi"), theirs.send_to(ada.id, "hi"))
    assert one["room"] == other["room"]
    assert {one["seq"], other["seq"]} == {1, 2}


async def test_direct_rooms_send_only_unread_until_joined(server: Server, connect: Connect) -> None:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    mine, theirs = await connect(ada), await connect(bob)
    sent = await mine.send_to(bob.id, "psst")
    unread = await theirs.expect("unread", room=sent["room"])
    assert (unread["head"], unread["upto"]) == (1, 0)
    assert_shape(unread)
    await theirs.expect_nothing("message")
    await mine.expect_nothing("message")
    await theirs.join(sent["room"])
    await mine.send_to(bob.id, "and now?")
    assert (await theirs.expect("message", room=sent["room"]))["seq"] == 2
