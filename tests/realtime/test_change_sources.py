"""Each change, the way it was made, its recipients, and its frame."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from tests.conftest import Connect
from tests.realtime.change_ways import PEOPLE, ROOMS, Way, World, admin, administrator, api, room_id, shell
from tests.support.api import anonymous
from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server
from tests.support.shapes import assert_shape

EVERYBODY = ("ada joined", "ada away", "bob joined", "bob away")
BOB = ("bob joined", "bob away")


class Row(NamedTuple):
    what: str
    way: str
    by: Way
    seen: tuple[str, ...]
    frame: str
    fields: dict[str, Any]


async def title_by_api(world: World) -> None:
    await api(world, world.ada, "PATCH", f"/api/rooms/{world.room}", title="New")


async def title_by_admin(world: World) -> None:
    await admin(world, f"{ROOMS}{await room_id(world)}/change/", {"title": "New"})


async def title_by_shell(world: World) -> None:
    await shell(world, f"Room.objects.filter(slug='{world.room}').update(title='New')")


async def kind_by_api(world: World) -> None:
    await api(world, world.ada, "PATCH", f"/api/rooms/{world.room}", private=True)


async def kind_by_admin(world: World) -> None:
    await admin(world, f"{ROOMS}{await room_id(world)}/change/", {"kind": "private"})


async def kind_by_shell(world: World) -> None:
    await shell(world, f"Room.objects.filter(slug='{world.room}').update(kind='private')")


async def removed_by_api(world: World) -> None:
    await api(world, world.ada, "DELETE", f"/api/rooms/{world.room}/members/{world.bob.id}")


async def removed_by_shell(world: World) -> None:
    await shell(world, f"Membership.objects.filter(room__slug='{world.room}', user={world.bob.id}).delete()")


async def left_by_api(world: World) -> None:
    await api(world, world.bob, "DELETE", f"/api/rooms/{world.room}/members/{world.bob.id}")


async def deleted_by_admin(world: World) -> None:
    await admin(world, f"{ROOMS}{await room_id(world)}/delete/", {"post": "yes"})


async def deleted_by_shell(world: World) -> None:
    await shell(
        world, f"Event.objects.filter(room__slug='{world.room}').delete(); Room.objects.get(slug='{world.room}').delete()"
    )


async def renamed_by_admin(world: World) -> None:
    await admin(world, f"{PEOPLE}{world.bob.id}/change/", {"username": f"{world.bob.name}-new"})


async def renamed_by_shell(world: World) -> None:
    name = f"{world.bob.name}-new"
    await shell(world, f"User.objects.filter(id={world.bob.id}).update(username='{name}', name_key='{name}')")


async def role_by_api(world: World) -> None:
    await api(world, world.ada, "PATCH", f"/api/rooms/{world.room}/members/{world.bob.id}", role="owner")


async def role_by_shell(world: World) -> None:
    await shell(world, f"Membership.objects.filter(room__slug='{world.room}', user={world.bob.id}).update(role='owner')")


async def blocked_by_api(world: World) -> None:
    await api(world, world.bob, "POST", "/api/blocks", user=world.ada.id)


async def blocked_by_shell(world: World) -> None:
    await shell(world, f"Block.objects.create(user_id={world.bob.id}, blocked_id={world.ada.id})")


ROWS = (
    Row("title", "API", title_by_api, EVERYBODY, "room.updated", {"title": "New", "kind": "public"}),
    Row("title", "admin", title_by_admin, EVERYBODY, "room.updated", {"title": "New"}),
    Row("title", "another process", title_by_shell, EVERYBODY, "room.updated", {"title": "New"}),
    Row("kind", "API", kind_by_api, EVERYBODY, "room.updated", {"kind": "private", "private": True}),
    Row("kind", "admin", kind_by_admin, EVERYBODY, "room.updated", {"kind": "private", "private": True}),
    Row("kind", "another process", kind_by_shell, EVERYBODY, "room.updated", {"kind": "private", "private": True}),
    Row("removal", "API", removed_by_api, BOB, "room.left", {"reason": "removed"}),
    Row("removal", "another process", removed_by_shell, BOB, "room.left", {"reason": "removed"}),
    Row("leaving", "API", left_by_api, BOB, "room.left", {"reason": "left"}),
    Row("deletion", "admin", deleted_by_admin, EVERYBODY, "room.left", {"reason": "deleted"}),
    Row("deletion", "another process", deleted_by_shell, EVERYBODY, "room.left", {"reason": "deleted"}),
    Row("name", "admin", renamed_by_admin, EVERYBODY, "user.updated", {}),
    Row("name", "another process", renamed_by_shell, EVERYBODY, "user.updated", {}),
    Row("role", "API", role_by_api, EVERYBODY, "room.updated", {"kind": "public"}),
    Row("role", "another process", role_by_shell, EVERYBODY, "room.updated", {"kind": "public"}),
    Row("block", "API", blocked_by_api, BOB, "blocks.updated", {}),
    Row("block", "another process", blocked_by_shell, BOB, "blocks.updated", {}),
)


@pytest.fixture(scope="module")
def boss(server: Server) -> Account:
    return administrator(server)


@pytest.fixture
async def world(server: Server, boss: Account) -> AsyncIterator[World]:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with anonymous(server.base_url) as http:
        yield World(server, ada, bob, boss, room, http)


@pytest.fixture
async def sockets(world: World, connect: Connect) -> dict[str, ChatClient]:
    """Two devices each, one of them in the room.

    And a user who shares nothing with them.
    """
    found = {"bob joined": await connect(world.bob), "ada joined": await connect(world.ada)}
    for socket in found.values():
        await socket.join(world.room)
    found |= {"bob away": await connect(world.bob), "ada away": await connect(world.ada), "stranger": await connect()}
    await found["ada joined"].send(world.room, "so that everybody is known to watch")
    for name in ("bob away", "ada away"):
        await found[name].expect("unread", room=world.room)
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.what} by {row.way}")
async def test_change_reaches_open_sockets(world: World, sockets: dict[str, ChatClient], row: Row) -> None:
    await row.by(world)
    named: dict[str, Any] = {"room": world.room} if row.frame.startswith("room.") else {}
    for name in row.seen:
        frame = await sockets[name].expect(row.frame, **named)
        assert_shape(frame)
        assert {field: frame[field] for field in row.fields} == row.fields
        if row.frame == "user.updated":
            assert frame["user"] == {"id": world.bob.id, "name": f"{world.bob.name}-new"}
    for name in sockets.keys() - set(row.seen):
        assert not sockets[name].pending_frames(row.frame)


async def test_end_of_a_block_reaches_the_other_device(world: World, sockets: dict[str, ChatClient]) -> None:
    await blocked_by_api(world)
    for name in BOB:
        await sockets[name].expect("blocks.updated")
    await api(world, world.bob, "DELETE", f"/api/blocks/{world.ada.id}")
    for name in BOB:
        await sockets[name].expect("blocks.updated")


async def test_membership_from_another_process_is_announced(world: World, connect: Connect) -> None:
    device = await connect(world.bob)
    await device.request("ping")
    await shell(world, f"Membership.objects.create(room=Room.objects.get(slug='{world.room}'), user_id={world.bob.id})")
    frame = await device.expect("room.added", room=world.room)
    assert_shape(frame)


async def test_membership_by_an_admin_action_is_announced(world: World, connect: Connect) -> None:
    chat = await connect(world.boss)
    action = {"action": "make_me_an_owner", "_selected_action": str(await room_id(world))}
    await admin(world, ROOMS, action)
    added = await chat.expect("room.added", room=world.room)
    assert_shape(added)


async def test_renamed_user_has_the_new_name_everywhere(world: World, sockets: dict[str, ChatClient]) -> None:
    bob, ada, name = sockets["bob joined"], sockets["ada joined"], f"{world.bob.name}-new"
    await renamed_by_admin(world)
    await bob.expect("user.updated")
    await bob.send(world.room, "It is still me")
    assert (await ada.expect("message", text="It is still me"))["from"]["name"] == name
    page = await sockets["ada away"].join(world.room)
    assert name in [person["name"] for person in page["online"]]


async def test_deleted_room_closes_the_room_dialect(world: World, connect: Connect) -> None:
    async with PlainSocket(world.server.ws_url(f"/ws/chat/{world.room}/"), headers=world.ada.headers) as socket:
        await socket.send('{"message": "here"}')
        await socket.receive_json()
        await deleted_by_shell(world)
        await socket.expect_close(4010)
