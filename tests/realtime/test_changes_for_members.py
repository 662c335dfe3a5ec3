"""Changes of a user or a room reach their sockets on every device."""

import httpx
import pytest

from tests.conftest import Connect
from tests.support.chat_client import Account, create_room, sign_up
from tests.support.server import Server
from tests.support.shapes import assert_shape


@pytest.fixture
async def ada(server: Server) -> Account:
    return await sign_up(server.base_url)


@pytest.fixture
async def bob(server: Server) -> Account:
    return await sign_up(server.base_url)


async def api(server: Server, person: Account, method: str, path: str, **fields: object) -> None:
    async with httpx.AsyncClient(base_url=server.base_url, headers=person.headers) as http:
        answer = await http.request(method, path, json=fields or None)
    assert answer.is_success, answer.text


async def test_invitation_reaches_every_socket_as_room_added(
    server: Server, connect: Connect, ada: Account, bob: Account
) -> None:
    room = await create_room(server.base_url, ada, private=True)
    mine, first, second = await connect(ada), await connect(bob), await connect(bob)
    await mine.send(room, "before")
    await api(server, ada, "POST", f"/api/rooms/{room}/members", user=bob.id)
    for socket in (first, second):
        frame = await socket.expect("room.added", room=room)
        assert_shape(frame)
        assert (frame["title"], frame["kind"], frame["private"]) == (room, "private", True)
        assert (frame["head"], frame["upto"]) == (1, 1)
    await mine.expect_nothing("room.added", room=room)


async def test_new_room_reaches_its_owners_other_devices(server: Server, connect: Connect, ada: Account) -> None:
    device = await connect(ada)
    room = await create_room(server.base_url, ada)
    assert (await device.expect("room.added", room=room))["kind"] == "public"


async def test_join_is_announced_to_other_devices_only(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, ada)
    joining, device = await connect(bob), await connect(bob)
    await joining.join(room)
    await device.expect("room.added", room=room)
    await joining.expect_nothing("room.added", room=room)


async def test_first_direct_message_adds_the_room_for_both(connect: Connect, ada: Account, bob: Account) -> None:
    sending, device, theirs = await connect(ada), await connect(ada), await connect(bob)
    sent = await sending.send_to(bob.id, "Hello")
    for socket in (device, theirs):
        assert (await socket.expect("room.added", room=sent["room"]))["kind"] == "direct"
    await sending.expect_nothing("room.added")


async def test_removal_names_the_room_on_every_socket(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, ada)
    joined, device = await connect(bob), await connect(bob)
    await joined.join(room)
    await api(server, ada, "DELETE", f"/api/rooms/{room}/members/{bob.id}")
    for socket in (joined, device):
        frame = await socket.expect("room.left", room=room)
        assert_shape(frame)
        assert frame["reason"] == "removed"
    await joined.expect_error("not_a_member")
    await device.expect_nothing("error")


async def test_leave_is_announced_to_other_devices(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, ada)
    await (await connect(bob)).join(room)
    device = await connect(bob)
    await api(server, bob, "DELETE", f"/api/rooms/{room}/members/{bob.id}")
    assert (await device.expect("room.left", room=room))["reason"] == "left"
    await device.expect_nothing("room.left", seconds=4)  # the poll has run and must not repeat it


async def test_room_change_reaches_members_who_have_not_joined(
    server: Server, connect: Connect, ada: Account, bob: Account
) -> None:
    room = await create_room(server.base_url, ada)
    await (await connect(bob)).join(room)
    device = await connect(bob)
    await device.request("ping")
    await api(server, ada, "PATCH", f"/api/rooms/{room}", title="Another", private=True)
    frame = await device.expect("room.updated", room=room)
    assert_shape(frame)
    assert (frame["title"], frame["private"], frame["kind"]) == ("Another", True, "private")


async def test_read_mark_moves_unread_on_the_other_device(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, ada)
    reading, device, mine = await connect(bob), await connect(bob), await connect(ada)
    await reading.join(room)
    await mine.send(room, "one")
    await mine.send(room, "two")
    await reading.expect("message", seq=2)
    assert (await device.expect("unread", room=room, head=2))["count"] == 2
    await reading.request("read", room=room, upto=1)
    frame = await device.expect("unread", room=room, upto=1)
    assert_shape(frame)
    assert (frame["head"], frame["count"], frame["mentions"]) == (2, 1, 0)
    await reading.expect_nothing("unread", room=room)
