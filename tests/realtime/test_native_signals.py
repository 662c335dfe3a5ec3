"""/ws/: presence, typing, read marks, unread counts, room changes."""

import asyncio
import itertools
import time

import httpx
import pytest

from tests.conftest import Connect
from tests.support.chat_client import Account, ChatClient, Frame, Refused, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server
from tests.support.shapes import assert_shape


def names(people: list[dict[str, object]]) -> set[object]:
    return {person["name"] for person in people}


async def online(chat: ChatClient, room: str, number: int, *, timeout: float = 5) -> None:
    """Wait until `presence` shows this number online."""
    async with asyncio.timeout(timeout):
        while (await chat.expect("presence", room=room, timeout=timeout))["online_count"] != number:
            pass


async def _next_with(chat: ChatClient, room: str, field: str) -> Frame:
    """Wait for a `presence` with this field.

    On a busy machine a person's first socket is shown some time after `hello`, in a frame of its own.
    """
    async with asyncio.timeout(15):
        while field not in (frame := await chat.expect("presence", room=room, timeout=15)):
            pass
    return frame


async def _invite(server: Server, owner: Account, person: Account, room: str) -> None:
    assert (await api(server, owner, "POST", f"/api/rooms/{room}/members", user=person.id)).status_code == 201


async def _online_in(chat: ChatClient, room: str, number: int) -> bool:
    """Join a room; return whether it shows this number online.

    In the reply or in a `presence` soon after.
    """
    if (await chat.join(room))["online_count"] != number:
        await online(chat, room, number, timeout=2)
    return True


@pytest.fixture
async def bob(server: Server) -> Account:
    """Make a new user, whose arrival can be seen.

    A user of an earlier test is still online for a moment, and so never arrives.
    """
    return await sign_up(server.base_url)


# --- presence


async def test_presence_names_joined_and_left_users(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    assert (await mine.join(room))["online"] == [{"id": ada.id, "name": ada.name}]
    page = await theirs.join(room)
    assert page["online_count"] == 2
    came = await mine.expect("presence", room=room)
    assert (came["online_count"], came["joined"], came["left"]) == (2, [{"id": bob.id, "name": bob.name}], [])
    assert_shape(came)
    await theirs.close()
    gone = await mine.expect("presence", room=room)
    assert (gone["online_count"], gone["joined"], gone["left"]) == (1, [], [{"id": bob.id, "name": bob.name}])


async def test_member_is_online_without_joining_the_room(
    server: Server, connect: Connect, ada: Account, bob: Account, room: str
) -> None:
    """Bob's socket joined another room.

    Ada sees him online, now and after a reconnect.
    """
    await _invite(server, ada, bob, room)
    theirs = await connect(bob)
    mine = await connect(ada)
    assert await _online_in(mine, room, 2)
    await theirs.close()
    await online(mine, room, 1, timeout=2.5)
    await connect(bob)
    came = await mine.expect("presence", room=room, timeout=2.5)
    assert came["joined"] == [{"id": bob.id, "name": bob.name}]


@pytest.mark.parametrize("path", ["/ws/chat/lobby/", "/infra/ws"])
async def test_socket_of_any_dialect_makes_its_user_online(
    server: Server, connect: Connect, ada: Account, bob: Account, room: str, path: str
) -> None:
    await _invite(server, ada, bob, room)
    mine = await connect(ada)
    await mine.join(room)
    async with PlainSocket(server.ws_url(path), headers=bob.headers):
        await online(mine, room, 2)
    await online(mine, room, 1)


async def test_leave_keeps_its_user_online(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await mine.join(room)
    await theirs.join(room)
    await online(mine, room, 2)
    await theirs.leave(room)
    await mine.expect_nothing("presence", seconds=1.5)


async def test_new_member_is_online_and_removed_one_is_not(
    server: Server, connect: Connect, ada: Account, bob: Account, room: str
) -> None:
    await connect(bob)
    mine = await connect(ada)
    await mine.join(room)
    await _invite(server, ada, bob, room)
    await online(mine, room, 2, timeout=2)
    assert (await api(server, ada, "DELETE", f"/api/rooms/{room}/members/{bob.id}")).status_code == 204
    await online(mine, room, 1, timeout=2)


async def test_a_lost_connection_is_a_leave(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await mine.join(room)
    await theirs.join(room)
    await online(mine, room, 2)
    theirs.cut()
    await online(mine, room, 1)


async def test_quick_reconnect_causes_no_presence(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await mine.join(room)
    await theirs.join(room)
    await online(mine, room, 2)
    await theirs.close()
    await connect(bob)
    await mine.expect_nothing("presence", seconds=2)


async def test_a_person_with_two_sockets_is_online_once(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, one, other = await connect(ada), await connect(bob), await connect(bob)
    await mine.join(room)
    await one.join(room)
    await online(mine, room, 2)
    await other.join(room)
    await mine.expect_nothing("presence", seconds=1.5)
    await one.close()
    await mine.expect_nothing("presence", seconds=1.5)
    await other.close()
    await online(mine, room, 1)


async def test_join_reply_lists_users_online(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await mine.join(room)
    page = await theirs.join(room)
    assert {"id": ada.id, "name": ada.name} in page["online"]
    assert page["online_count"] == len(page["online"])


async def test_rejoin_causes_no_presence(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await mine.join(room)
    await theirs.join(room)
    await online(mine, room, 2)
    for _ in range(3):
        await theirs.join(room)
    await mine.expect_nothing("presence", seconds=1.5)


# --- away


async def test_user_is_away_when_all_their_sockets_are(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, phone, desk = await connect(ada), await connect(bob), await connect(bob)
    await mine.join(room)
    await desk.join(room)
    await online(mine, room, 2)
    await phone.request("activity", state="away")
    await mine.expect_nothing("presence", seconds=1.5)
    await desk.request("activity", state="away")
    frame = await mine.expect("presence", room=room)
    assert (frame["online_count"], frame["joined"], frame["left"], frame["away"]) == (2, [], [], [bob.id])
    assert (await mine.join(room))["away"] == [bob.id]
    await phone.request("activity", state="active")
    assert (await mine.expect("presence", room=room))["back"] == [bob.id]
    assert (await mine.join(room))["away"] == []


async def test_activity_of_a_closed_socket_does_not_count(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, phone, desk = await connect(ada), await connect(bob), await connect(bob)
    await mine.join(room)
    await desk.join(room)
    await online(mine, room, 2)
    await phone.request("activity", state="away")
    await desk.close()
    assert (await _next_with(mine, room, "away"))["away"] == [bob.id]
    await connect(bob)
    assert (await _next_with(mine, room, "back"))["back"] == [bob.id]


async def test_a_flood_of_activity_is_one_frame_a_second(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await mine.join(room)
    await theirs.join(room)
    await online(mine, room, 2)
    for number in range(41):
        await theirs.request("activity", state="active" if number % 2 else "away")
    assert (await _next_with(mine, room, "away"))["away"] == [bob.id]
    await mine.expect_nothing("presence", seconds=1.5)


async def test_activity_with_another_state_is_bad_frame(connect: Connect, ada: Account) -> None:
    with pytest.raises(Refused) as refused:
        await (await connect(ada)).request("activity", state="asleep")
    assert refused.value.code == "bad_frame"


# --- rate


async def test_presence_is_sent_once_a_second_at_most(server: Server, connect: Connect, ada: Account, room: str) -> None:
    watcher = await connect(ada)
    await watcher.join(room)
    people = [await sign_up(server.base_url) for _ in range(4)]
    chats = [await connect(person) for person in people]

    async def come() -> None:
        for chat in chats:
            await chat.join(room)
            await asyncio.sleep(0.25)

    coming = asyncio.create_task(come())
    seen: set[object] = set()
    arrivals = []
    async with asyncio.timeout(10):
        while len(seen) < len(people):
            frame = await watcher.expect("presence", room=room)
            arrivals.append(time.monotonic())
            seen |= names(frame["joined"])
    await coming
    assert seen == {person.name for person in people}
    assert all(later - earlier > 0.85 for earlier, later in itertools.pairwise(arrivals)), arrivals


# --- typing


async def test_typing_reaches_the_others(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs, away = await connect(ada), await connect(bob), await connect(bob)
    await mine.join(room)
    await theirs.join(room)
    await mine.push("typing", room=room)
    frame = await theirs.expect("typing")
    assert (frame["room"], frame["user"]) == (room, {"id": ada.id, "name": ada.name})
    await mine.expect_nothing("typing")
    await away.expect_nothing("typing", seconds=0.05)
    assert (await theirs.join(room))["head"] == 0


async def test_typing_in_an_unjoined_room_is_an_error(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await theirs.join(room)
    await mine.push("typing", room=room)
    await mine.expect_error("not_a_member")
    await theirs.expect_nothing("typing")


async def test_endless_typing_is_thinned_out(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await mine.join(room)
    await theirs.join(room)
    for _ in range(100):
        await mine.push("typing", room=room)
    await mine.request("ping")
    await theirs.expect("typing")
    await theirs.request("ping")
    assert len(theirs.pending_frames("typing")) < 5


# --- read marks and unread


async def last_read_seq(server: Server, person: Account, room: str) -> int:
    async with httpx.AsyncClient(base_url=server.base_url, headers=person.headers) as http:
        return int((await http.get(f"/api/rooms/{room}")).json()["upto"])


async def test_read_mark_never_moves_back(server: Server, connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await mine.join(room)
    await theirs.join(room)
    for _ in range(4):
        await mine.send(room, "x")
    assert (await theirs.request("read", room=room, upto=3))["type"] == "ok"
    mark = await mine.expect("read")
    assert (mark["room"], mark["user"], mark["upto"]) == (room, {"id": bob.id, "name": bob.name}, 3)
    assert (await theirs.request("read", room=room, upto=1))["type"] == "ok"
    await mine.expect_nothing("read")
    assert await last_read_seq(server, bob, room) == 3


async def test_read_mark_stays_within_the_log(server: Server, connect: Connect, ada: Account, room: str) -> None:
    mine = await connect(ada)
    await mine.send(room, "x")
    await mine.request("read", room=room, upto=2**53)
    assert await last_read_seq(server, ada, room) == 1


async def test_rooms_not_joined_send_only_unread(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, joined, away = await connect(ada), await connect(bob), await connect(bob)
    await mine.join(room)
    await joined.join(room)
    await mine.send(room, "one")
    await joined.expect("message", seq=1)
    unread = await away.expect("unread", room=room)
    assert (unread["head"], unread["upto"]) == (1, 0)
    assert_shape(unread)
    await joined.expect_nothing("unread", room=room)
    await away.expect_nothing("message")


async def test_unread_counts_from_the_read_mark(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, reading, away = await connect(ada), await connect(bob), await connect(bob)
    await mine.join(room)
    await reading.join(room)
    for _ in range(3):
        await mine.send(room, "x")
    await reading.request("read", room=room, upto=3)
    await asyncio.sleep(1.1)
    await mine.send(room, "after the mark")
    unread = await away.expect("unread", room=room, head=4)
    assert unread["upto"] == 3


async def test_unread_of_a_busy_room_is_sent_once_a_second(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, away = await connect(ada), await connect(bob)
    await away.join(room)
    await away.leave(room)
    started = time.monotonic()
    for _ in range(20):
        await mine.send(room, "x")
        await asyncio.sleep(0.06)
    await away.expect("unread", room=room, head=20)
    seconds = time.monotonic() - started
    assert len(away.pending_frames("unread")) <= seconds + 1


async def test_room_has_unread_again_after_a_leave(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await theirs.join(room)
    await theirs.leave(room)
    await mine.send(room, "x")
    assert (await theirs.expect("unread", room=room))["head"] == 1


# --- membership


async def api(server: Server, person: Account, method: str, path: str, **fields: object) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.base_url, headers=person.headers) as http:
        return await http.request(method, path, json=fields or None)


async def test_changed_room_is_announced(server: Server, connect: Connect, ada: Account, bob: Account, room: str) -> None:
    theirs = await connect(bob)
    await theirs.join(room)
    assert (await api(server, ada, "PATCH", f"/api/rooms/{room}", title="A new name")).status_code == 200
    frame = await theirs.expect("room.updated", room=room)
    assert frame["title"] == "A new name"
    assert_shape(frame)


async def test_invited_user_gets_room_added_and_may_join(server: Server, connect: Connect, ada: Account) -> None:
    room = await create_room(server.base_url, ada, private=True)
    guest = await sign_up(server.base_url)
    mine, theirs = await connect(ada), await connect(guest)
    assert (await api(server, ada, "POST", f"/api/rooms/{room}/members", user=guest.name)).status_code == 201
    await mine.send(room, "welcome")
    assert (await theirs.expect("unread", room=room))["head"] == 1
    assert (await theirs.join(room))["head"] == 1
    assert (await theirs.send(room, "thank you"))["seq"] == 2


async def test_removed_user_neither_sends_nor_receives(server: Server, connect: Connect, ada: Account) -> None:
    room = await create_room(server.base_url, ada, private=True)
    guest = await sign_up(server.base_url)
    await api(server, ada, "POST", f"/api/rooms/{room}/members", user=guest.id)
    mine, theirs, away = await connect(ada), await connect(guest), await connect(guest)
    await mine.join(room)
    await theirs.join(room)
    assert (await api(server, ada, "DELETE", f"/api/rooms/{room}/members/{guest.id}")).status_code == 204
    await theirs.expect_error("not_a_member")
    await online(mine, room, 1)
    await mine.send(room, "now we are alone")
    await theirs.expect_nothing("message")
    await away.expect_nothing("unread", room=room, seconds=0.05)
    for request in (theirs.send(room, "still here"), theirs.join(room), theirs.request("history", room=room, before=9)):
        with pytest.raises(Exception, match="not_a_member"):
            await request
    # the socket's other rooms go on
    await theirs.join("lobby")


async def test_leaving_over_http_ends_the_sockets_subscription(
    server: Server, connect: Connect, ada: Account, bob: Account, room: str
) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await theirs.join(room)
    assert (await api(server, bob, "DELETE", f"/api/rooms/{room}/members/{bob.id}")).status_code == 204
    await theirs.expect_error("not_a_member")
    await mine.send(room, "x")
    await theirs.expect_nothing("message")


# --- history


async def test_history_pages_both_ways(connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    for number in range(1, 13):
        await chat.send(room, str(number))
    for fields, seqs, more in (
        ({"before": 13, "limit": 5}, [8, 9, 10, 11, 12], True),
        ({"before": 8, "limit": 5}, [3, 4, 5, 6, 7], True),
        ({"before": 6, "limit": 5}, [1, 2, 3, 4, 5], False),
        ({"before": 1, "limit": 5}, [], False),
        ({"before": 2**53, "limit": 200}, list(range(1, 13)), False),
        ({"after": 0, "limit": 5}, [1, 2, 3, 4, 5], True),
        ({"after": 5, "limit": 7}, list(range(6, 13)), False),
        ({"after": 12}, [], False),
        ({"after": 2**53}, [], False),
        ({"before": 13}, list(range(1, 13)), False),
    ):
        page = await chat.request("history", room=room, **fields)
        assert ([message["seq"] for message in page["messages"]], page["more"]) == (seqs, more), fields
        for message in page["messages"]:
            assert_shape(message, own=True)
            assert message["text"] == str(message["seq"])
