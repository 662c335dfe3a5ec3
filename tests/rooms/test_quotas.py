"""Quotas of a user's actions towards others, and the others' means against them."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from features.typing.feature import TYPING_EVERY_S
from tests.conftest import StartServer
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, Refused, create_room, sign_up
from tests.support.server import Server


def fresh() -> str:
    return f"room-{secrets.token_hex(5)}"


async def test_rooms_per_hour_are_limited_including_direct_rooms(start_server: StartServer) -> None:
    server = start_server(LIMIT_ROOMS_PER_H="3")  # over all of its workers
    ada, bob, carol = [await sign_up(server.base_url) for _ in range(3)]
    async with with_token(server.base_url, ada) as http, ChatClient(server.ws_url(), ada) as chat:
        for _ in range(2):
            assert (await http.post("/api/rooms", json={"slug": fresh()})).status_code == 201
        slug = fresh()
        await chat.send_to(bob.id, "hi")
        for _ in range(2):
            answer = await http.post("/api/rooms", json={"slug": slug})
            assert_problem(answer, 429, "rate_limited")
            assert 0 < int(answer.headers["Retry-After"]) <= 3600
        with pytest.raises(Refused, match="rate_limited"):
            await chat.send_to(carol.id, "hi, stranger")
        await chat.send_to(bob.id, "a room that is there costs nothing")
        assert (await http.get(f"/api/rooms/{slug}")).status_code == 404
    async with with_token(server.base_url, bob) as http:
        assert (await http.post("/api/rooms", json={"slug": fresh()})).status_code == 201


async def test_refused_room_on_first_use_closes_with_4004(start_server: StartServer) -> None:
    server = start_server(LIMIT_ROOMS_PER_H="1")
    ada = await sign_up(server.base_url)
    await create_room(server.base_url, ada)
    chat = ChatClient(server.ws_url(f"/ws/chat/{fresh()}/"), ada)
    with pytest.raises(Exception, match="4004"):
        async with chat:
            await chat.expect("message")


async def test_rooms_per_owner_are_limited(start_server: StartServer) -> None:
    server = start_server(LIMIT_ROOMS_PER_USER="2")
    ada = await sign_up(server.base_url)
    async with with_token(server.base_url, ada) as http:
        rooms = [(await http.post("/api/rooms", json={"slug": fresh()})).json()["slug"] for _ in range(2)]
        assert_problem(await http.post("/api/rooms", json={"slug": fresh()}), 429, "rate_limited")
        assert (await http.delete(f"/api/rooms/{rooms[0]}/members/{ada.id}")).status_code == 204
        assert (await http.post("/api/rooms", json={"slug": fresh()})).status_code == 201


async def test_leaving_frees_no_invitation_of_the_quota(start_server: StartServer) -> None:
    server = start_server(LIMIT_INVITES_PER_PERSON="2", LIMIT_INVITES_PER_H="3")
    ada, bob, carol, dan = [await sign_up(server.base_url) for _ in range(4)]
    rooms = [await create_room(server.base_url, ada, private=True) for _ in range(3)]

    async with with_token(server.base_url, ada) as http, with_token(server.base_url, bob) as victim:

        async def invite(room: str, whom: Account) -> httpx.Response:
            return await http.post(f"/api/rooms/{room}/members", json={"user": whom.id})

        assert [(await invite(room, bob)).status_code for room in rooms[:2]] == [201, 201]
        assert (await invite(rooms[0], bob)).status_code == 201, "an invitation of a member costs nothing"
        await victim.delete(f"/api/rooms/{rooms[0]}/members/{bob.id}")
        assert_problem(await invite(rooms[0], bob), 429, "rate_limited")
        assert_problem(await invite(rooms[2], bob), 429, "rate_limited")
        assert (await invite(rooms[2], carol)).status_code == 201, "refused invitations do not count"
        answer = await invite(rooms[2], dan)
        assert_problem(answer, 429, "rate_limited")
        assert int(answer.headers["Retry-After"]) <= 3600


async def test_victim_leaves_all_rooms_of_an_inviter(server: Server, ada: Account, bob: Account) -> None:
    rooms = [await create_room(server.base_url, ada, private=True) for _ in range(3)]
    own = await create_room(server.base_url, bob)
    async with with_token(server.base_url, ada) as http:
        for room in rooms:
            await http.post(f"/api/rooms/{room}/members", json={"user": bob.id})
    async with with_token(server.base_url, bob) as http, ChatClient(server.ws_url(), bob) as chat:
        left = (await http.post("/api/leave", json={"added_by": ada.id})).json()
        assert (set(left["left"]), left["kept"], left["more"]) == (set(rooms), [], False)
        for _ in rooms:
            frame = await chat.expect("room.left", reason="left")
            assert frame["room"] in rooms
        mine = [room["slug"] for room in (await http.get("/api/rooms")).json()["rooms"] if room["member"]]
        assert mine == [own]


async def test_leaving_many_keeps_direct_and_last_private_rooms(server: Server, ada: Account, bob: Account) -> None:
    public, private = await create_room(server.base_url, ada), await create_room(server.base_url, ada, private=True)
    async with ChatClient(server.ws_url(), ada) as chat:
        direct = (await chat.send_to(bob.id, "hi"))["room"]
    body = {"rooms": [public.upper(), private, direct, "no-such-room", "no slug"]}
    async with with_token(server.base_url, ada) as http:
        left = (await http.post("/api/leave", json=body)).json()
        assert (left["left"], set(left["kept"])) == ([public], {private, direct})
        left = (await http.post("/api/leave", json={**body, "confirm": True})).json()
        assert (left["left"], left["kept"]) == ([private], [direct])


@pytest.mark.parametrize("body", [{}, {"rooms": ["a"], "added_by": 1}, {"rooms": ["x"] * 501}, {"rooms": "lobby"}], ids=ascii)
async def test_leaving_many_refuses_a_wrong_body(server: Server, ada: Account, body: dict[str, object]) -> None:
    async with with_token(server.base_url, ada) as http:
        answer = await http.post("/api/leave", json=body)
        assert answer.status_code == 400
        assert_problem(answer, 400, answer.json()["code"])


async def test_blocked_person_cannot_invite_or_write_first(server: Server, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, bob, private=True)
    async with with_token(server.base_url, ada) as http, with_token(server.base_url, bob) as pest:
        answer = await http.post("/api/blocks", json={"user": bob.name})
        assert (answer.status_code, answer.json()) == (201, {"id": bob.id, "name": bob.name})
        assert (await http.get("/api/blocks")).json() == {"users": [{"id": bob.id, "name": bob.name}]}
        assert_problem(await pest.post(f"/api/rooms/{room}/members", json={"user": ada.id}), 403, "forbidden")
        async with ChatClient(server.ws_url(), bob) as chat:
            with pytest.raises(Refused, match="forbidden"):
                await chat.send_to(ada.id, "hello?")
            assert (await http.delete(f"/api/blocks/{bob.id}")).status_code == 204
            await chat.send_to(ada.id, "hello?")
        assert (await pest.post(f"/api/rooms/{room}/members", json={"user": ada.id})).status_code == 201
        assert_problem(await http.delete(f"/api/blocks/{bob.id}"), 404, "no_such_target")


@pytest.mark.parametrize("opened", ["before", "after"])
async def test_blocked_person_reads_a_direct_room_only(server: Server, ada: Account, bob: Account, opened: str) -> None:
    async with (
        with_token(server.base_url, ada) as http,
        ChatClient(server.ws_url(), ada) as mine,
        ChatClient(server.ws_url(), bob) as pest,
    ):
        room = (await mine.send_to(bob.id, "one"))["room"] if opened == "before" else ""
        await http.post("/api/blocks", json={"user": bob.id})
        room = room or (await mine.send_to(bob.id, "one"))["room"]
        await pest.join(room, after=0)
        await mine.join(room, after=0)
        for send in (lambda: pest.send(room, "two"), lambda: pest.send_to(ada.id, "two")):
            with pytest.raises(Refused, match="forbidden"):
                await send()
        sent = await mine.send(room, "three")
        await pest.expect("message", seq=sent["seq"], text="three")
        await http.delete(f"/api/blocks/{bob.id}")
        await pest.send(room, "four")


@pytest.mark.parametrize("blocked", [False, True], ids=["free", "blocked"])
@pytest.mark.parametrize("where", ["direct", "shared"])
@pytest.mark.parametrize("kind", ["typing", "read"])
async def test_signals_of_a_blocked_person_are_dropped(
    server: Server, ada: Account, bob: Account, kind: str, where: str, blocked: bool
) -> None:
    """Ada gets nothing from either device of Bob, see docs/protocol.md.

    Bob still gets Ada's signals.
    """
    async with (
        with_token(server.base_url, ada) as http,
        ChatClient(server.ws_url(), ada) as mine,
        ChatClient(server.ws_url(), bob) as pest,
        ChatClient(server.ws_url(), bob) as tablet,
    ):
        room = await create_room(server.base_url, ada) if where == "shared" else (await mine.send_to(bob.id, "one"))["room"]
        for chat in (pest, tablet, mine):
            await chat.join(room)
        seq = (await mine.send(room, "two"))["seq"]
        if blocked:
            await http.post("/api/blocks", json={"user": bob.id})
        fields: dict[str, Any] = {"upto": seq} if kind == "read" else {}
        await signal(pest, kind, room, **fields)
        if blocked and where == "direct":
            await mine.expect_nothing(kind, room=room, user={"id": bob.id, "name": bob.name})
        else:
            await mine.expect(kind, room=room, user={"id": bob.id, "name": bob.name})
        if kind == "read":
            await tablet.expect("read", room=room, upto=seq)
        await signal(mine, kind, room, **fields)
        await pest.expect(kind, room=room, user={"id": ada.id, "name": ada.name})
        if blocked:
            await http.delete(f"/api/blocks/{bob.id}")
            await asyncio.sleep(TYPING_EVERY_S)
            await signal(pest, "typing", room)
            await mine.expect("typing", room=room)


async def signal(chat: ChatClient, kind: str, room: str, **fields: Any) -> None:
    if kind == "typing":  # it has no reply
        await chat.push(kind, room=room)
    else:
        await chat.request(kind, room=room, **fields)


async def test_block_of_oneself_or_an_unknown_user_is_refused(server: Server, ada: Account) -> None:
    async with with_token(server.base_url, ada) as http:
        assert_problem(await http.post("/api/blocks", json={"user": ada.id}), 403, "forbidden")
        assert_problem(await http.post("/api/blocks", json={"user": "nobody-at-all"}), 404, "no_such_target")
        assert_problem(await http.post("/api/blocks", json={}), 400, "invalid")


async def test_only_owners_promote_and_demote_owners(server: Server, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, ada)
    path: Callable[[Account], str] = lambda who: f"/api/rooms/{room}/members/{who.id}"  # noqa: E731
    async with with_token(server.base_url, ada) as owner, with_token(server.base_url, bob) as other:
        await owner.post(f"/api/rooms/{room}/members", json={"user": bob.id})
        assert_problem(await other.patch(path(bob), json={"role": "owner"}), 403, "forbidden")
        assert_problem(await owner.patch(path(ada), json={"role": "member"}), 409, "last_owner")
        assert_problem(await owner.patch(path(bob), json={"role": "king"}), 400, "invalid")
        assert_problem(await owner.patch(f"/api/rooms/{room}/members/{2**40}", json={"role": "owner"}), 404, "no_such_target")
        async with ChatClient(server.ws_url(), bob) as chat:
            made = await owner.patch(path(bob), json={"role": "owner"})
            assert made.json() == {"id": bob.id, "name": bob.name, "role": "owner"}
            await chat.expect("room.updated", room=room)
        assert (await other.patch(path(ada), json={"role": "member"})).json()["role"] == "member"
        assert_problem(await owner.patch(path(bob), json={"role": "member"}), 403, "forbidden")


async def test_last_member_must_confirm_leaving_a_private_room(server: Server, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, ada, private=True)
    path = f"/api/rooms/{room}/members"
    async with with_token(server.base_url, ada) as http:
        assert_problem(await http.delete(f"{path}/{ada.id}"), 409, "last_member")
        assert (await http.get(f"/api/rooms/{room}")).json()["role"] == "owner"
        await http.post(path, json={"user": bob.id})
        assert (await http.delete(f"{path}/{ada.id}")).status_code == 204
    async with with_token(server.base_url, bob) as http:
        assert (await http.get(f"/api/rooms/{room}")).json()["role"] == "owner"
        assert (await http.delete(f"{path}/{bob.id}?confirm=true")).status_code == 204
        assert_problem(await http.get(f"/api/rooms/{room}"), 403, "not_a_member")


async def test_first_member_of_an_empty_public_room_owns_it(server: Server, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, ada)
    async with with_token(server.base_url, ada) as http:
        assert (await http.delete(f"/api/rooms/{room}/members/{ada.id}")).status_code == 204
    async with ChatClient(server.ws_url(), bob) as chat, with_token(server.base_url, bob) as http:
        await chat.join(room)
        assert (await http.get(f"/api/rooms/{room}")).json()["role"] == "owner"
        await chat.join("lobby")
        assert (await http.get("/api/rooms/lobby")).json()["role"] == "member", "the lobby has no owner"
