"""/api/rooms: list, make, read, change, invite, remove."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.server import Server

FIELDS = {
    *(
        "slug",
        "title",
        "kind",
        "private",
        "head",
        "member",
        "upto",
        "unread",
        "mentions",
        "member_count",
        "peer",
        "role",
        "joined_at",
    ),
    *("added_by", "last_at"),
}


def fresh() -> str:
    return f"room-{secrets.token_hex(5)}"


async def listed(http: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    return {room["slug"]: room for room in (await http.get("/api/rooms")).json()["rooms"]}


async def test_lobby_exists_for_all_users(server: Server) -> None:
    new = await sign_up(server.base_url)
    async with with_token(server.base_url, new) as http:
        lobby = (await listed(http))["lobby"]
        assert (lobby["kind"], lobby["private"], lobby["member"], lobby["role"]) == ("public", False, False, None)
    async with ChatClient(server.ws_url(), new) as chat:
        await chat.join("lobby")
    async with with_token(server.base_url, new) as http:
        assert (await listed(http))["lobby"]["member"] is True


async def test_room_is_created_with_its_owner(server: Server, ada: Account) -> None:
    slug = fresh()
    async with with_token(server.base_url, ada) as http:
        answer = await http.post("/api/rooms", json={"slug": slug, "title": "A room", "private": True})
        assert answer.status_code == 201
        room = answer.json()
        joined_at = datetime.fromisoformat(room["joined_at"])
        assert abs(datetime.now(UTC) - joined_at) < timedelta(minutes=1)
        assert room == {
            "slug": slug, "title": "A room", "kind": "private", "private": True, "head": 0, "member": True, "upto": 0,
            "unread": 0, "mentions": 0, "member_count": 1, "peer": None, "role": "owner", "joined_at": room["joined_at"],
            "added_by": None, "last_at": None,
        }  # fmt: skip
        assert (await http.get(f"/api/rooms/{slug}")).json() == room
        assert (await listed(http))[slug] == room


async def test_slug_may_have_64_letters_that_fold_to_128(server: Server, ada: Account) -> None:
    slug = f"{secrets.token_hex(5)}{'ß' * 33}"
    async with with_token(server.base_url, ada) as http:
        made = (await http.post("/api/rooms", json={"slug": slug})).json()["slug"]
        assert made == slug.casefold()
        assert (await http.get(f"/api/rooms/{made}")).json()["slug"] == made
        (one,) = (await http.get("/api/rooms", params={"room": made})).json()["rooms"]
        assert one["slug"] == made
    async with ChatClient(server.ws_url(), ada) as chat:
        assert (await chat.join(slug))["room"] == made
        assert (await chat.send(made, "hi"))["seq"] == 1


async def test_slug_that_looks_like_a_taken_one_is_409(server: Server, ada: Account, bob: Account) -> None:
    async with with_token(server.base_url, ada) as http:
        for alike in ("l0bby", "LOBBY"):
            assert_problem(await http.post("/api/rooms", json={"slug": alike}), 409, "taken")
        for hidden in ("lobby\ufe0f", "\u3164lobby"):
            assert_problem(await http.post("/api/rooms", json={"slug": hidden}), 400, "bad_frame")
        assert (await http.get("/api/rooms/lobby\ufe0f")).json()["slug"] == "lobby"
        slug = f"\u0430\u0441\u0430-{secrets.token_hex(4)}"  # all Cyrillic
        assert (await http.post("/api/rooms", json={"slug": slug, "private": True})).status_code == 201
        problem = assert_problem(await http.post("/api/rooms", json={"slug": f"aca{slug[3:]}"}), 409, "taken")
        assert "looks like" in problem["detail"]


async def test_title_loses_invisible_characters(server: Server, ada: Account) -> None:
    async with with_token(server.base_url, ada) as http:
        slug = fresh()
        made = await http.post("/api/rooms", json={"slug": slug, "title": " \u3164the\u202e \n title\u00ad "})
        assert made.json()["title"] == "the title"
        for nothing in ("\u3164", "\u2800\ufe0f", " \u200b "):
            assert (await http.patch(f"/api/rooms/{slug}", json={"title": nothing})).json()["title"] == slug
        family = "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f"
        assert (await http.patch(f"/api/rooms/{slug}", json={"title": family})).json()["title"] == family
        flood = {"title": "Z" + "\u0316" * 5}
        assert_problem(await http.patch(f"/api/rooms/{slug}", json=flood), 400, "bad_frame")
        # A letter of Hebrew that becomes three when it is composed.
        assert len((await http.patch(f"/api/rooms/{slug}", json={"title": "\ufb2c" * 40})).json()["title"]) == 120
        assert_problem(await http.patch(f"/api/rooms/{slug}", json={"title": "\ufb2c" * 41}), 400, "too_long")


async def test_pages_go_on_behind_the_longest_slugs(server: Server, ada: Account) -> None:
    slugs = {f"{letter}{secrets.token_hex(4)}{'ß' * 55}".casefold() for letter in "ab"}
    async with with_token(server.base_url, ada) as http:
        for slug in slugs:
            assert (await http.post("/api/rooms", json={"slug": slug[:9] + "ß" * 55})).status_code == 201
        seen = set[str]()
        after: str | None = ""
        while after is not None:
            page = await http.get("/api/rooms", params={"limit": 1, "member": True, "after": after})
            assert page.status_code == 200, page.text
            seen |= {room["slug"] for room in page.json()["rooms"]}
            after = page.json()["next"]
    assert slugs <= seen


async def test_room_needs_only_a_slug(server: Server, ada: Account) -> None:
    async with with_token(server.base_url, ada) as http:
        room = (await http.post("/api/rooms", json={"slug": fresh()})).json()
        assert (room["title"], room["private"]) == (room["slug"], False)


@pytest.mark.parametrize("asked", ["Größe", "ΣΊΣΥΦΟΣ", "e\u0301cole", "हिन्दी", "聊天", "A_b-9", "x" * 54, "ﬀ"], ids=ascii)
async def test_slugs_are_folded_and_composed(server: Server, ada: Account, asked: str) -> None:
    slug = f"{asked}-{secrets.token_hex(4)}"
    async with with_token(server.base_url, ada) as http:
        made = (await http.post("/api/rooms", json={"slug": slug})).json()["slug"]
        assert made == made.casefold()
        assert_problem(await http.post("/api/rooms", json={"slug": made}), 409, "taken")
        assert_problem(await http.post("/api/rooms", json={"slug": slug}), 409, "taken")
        for spelling in (slug, made, made.upper()):
            assert (await http.get(f"/api/rooms/{spelling}")).json()["slug"] == made


@pytest.mark.parametrize(
    "slug",
    [
        "",
        " ",
        "a b",
        "a/b",
        "a.b",
        "x" * 65,
        "ß" * 65,
        "lobb\u0443",
        "dm-l-2",
        "\N{WAVING HAND SIGN}",
        "nul\0",
        "tab\t",
        "dm-1-2",
        "DM-3-4",
        "a\u200bb",
        "½",
    ],
    ids=ascii,
)
async def test_bad_slug_is_refused(server: Server, ada: Account, slug: str) -> None:
    async with with_token(server.base_url, ada) as http:
        answer = await http.post("/api/rooms", json={"slug": slug})
        assert answer.status_code == 400, answer.text
        problem = assert_problem(answer, 400, answer.json()["code"])
        assert "slug" in problem["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"slug": 7},
        {"slug": None},
        {"slug": "fine", "title": 7},
        {"slug": "fine", "title": "x" * 121},
        {"slug": "fine", "title": "nul\0"},
        {"slug": "fine", "private": "perhaps"},
        {"slug": "fine", "private": None},
        [],
        "slug",
    ],
    ids=ascii,
)
async def test_wrong_fields_are_named(server: Server, ada: Account, body: Any) -> None:
    async with with_token(server.base_url, ada) as http:
        assert assert_problem(await http.post("/api/rooms", json=body), 400, "invalid")["errors"]
        assert (await http.get("/api/rooms/fine")).status_code == 404


async def test_a_title_has_up_to_120_characters(server: Server, ada: Account) -> None:
    title = "\N{GRINNING FACE}" * 120
    async with with_token(server.base_url, ada) as http:
        assert (await http.post("/api/rooms", json={"slug": fresh(), "title": title})).json()["title"] == title


async def test_private_rooms_are_visible_to_members_only(server: Server, ada: Account, bob: Account) -> None:
    public = await create_room(server.base_url, ada)
    private = await create_room(server.base_url, ada, private=True)
    async with with_token(server.base_url, bob) as http:
        rooms = await listed(http)
        assert private not in rooms
        assert rooms[public]["member"] is False
        assert set(rooms[public]) == FIELDS
        assert (await http.get(f"/api/rooms/{public}")).status_code == 200
        for path in ("", "/members", "/messages"):
            assert_problem(await http.get(f"/api/rooms/{private}{path}"), 403, "not_a_member")
        assert_problem(await http.get(f"/api/rooms/{public}/members"), 403, "not_a_member")
        assert_problem(await http.get(f"/api/rooms/{public}/messages"), 403, "not_a_member")


@pytest.mark.parametrize("slug", ["no-such-room", "%00", "x" * 65, "a%20b", "%F0%9F%91%8B", "%ED%A0%80"])
async def test_unknown_room_is_404(server: Server, ada: Account, slug: str) -> None:
    async with with_token(server.base_url, ada) as http:
        assert_problem(await http.get(f"/api/rooms/{slug}"), 404, "no_such_room")
        assert_problem(await http.get(f"/api/rooms/{slug}/members"), 404, "no_such_room")
        assert_problem(await http.get(f"/api/rooms/{slug}/messages"), 404, "no_such_room")
        assert_problem(await http.patch(f"/api/rooms/{slug}", json={"title": "x"}), 404, "no_such_room")
        assert_problem(await http.post(f"/api/rooms/{slug}/members", json={"user": ada.id}), 404, "no_such_room")
        assert_problem(await http.delete(f"/api/rooms/{slug}/members/{ada.id}"), 404, "no_such_room")


async def test_owner_changes_title_and_privacy(server: Server, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, ada)
    async with with_token(server.base_url, ada) as http:
        changed = (await http.patch(f"/api/rooms/{room}", json={"title": "New", "private": True})).json()
        assert (changed["title"], changed["private"], changed["kind"]) == ("New", True, "private")
        assert (await http.patch(f"/api/rooms/{room}", json={})).json()["title"] == "New"
        assert (await http.patch(f"/api/rooms/{room}", json={"private": False})).json()["title"] == "New"
        assert_problem(await http.patch(f"/api/rooms/{room}", json={"title": "x" * 121}), 400, "invalid")
    async with ChatClient(server.ws_url(), bob) as chat:
        await chat.join(room)
    async with with_token(server.base_url, bob) as http:
        assert_problem(await http.patch(f"/api/rooms/{room}", json={"title": "Mine"}), 403, "forbidden")


async def test_invitation_accepts_id_and_name(server: Server, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, ada, private=True)
    carol = await sign_up(server.base_url)
    async with with_token(server.base_url, ada) as http:
        answer = await http.post(f"/api/rooms/{room}/members", json={"user": bob.id})
        assert (answer.status_code, answer.json()) == (201, {"id": bob.id, "name": bob.name, "role": "member"})
        answer = await http.post(f"/api/rooms/{room}/members", json={"user": carol.name.upper()})
        assert (answer.status_code, answer.json()["id"]) == (201, carol.id)
        assert (await http.post(f"/api/rooms/{room}/members", json={"user": bob.id})).status_code in {200, 201}
        members = (await http.get(f"/api/rooms/{room}/members")).json()["members"]
        assert {(member["id"], member["role"]) for member in members} == {
            (ada.id, "owner"), (bob.id, "member"), (carol.id, "member"),
        }  # fmt: skip
        assert (await http.get(f"/api/rooms/{room}")).json()["member_count"] == 3


@pytest.mark.parametrize("user", [0, -1, 2**40, 10**30, "nobody-at-all", "", "nul\0", "x" * 5000], ids=ascii)
async def test_invitation_of_an_unknown_user_is_refused(server: Server, ada: Account, user: int | str) -> None:
    room = await create_room(server.base_url, ada)
    async with with_token(server.base_url, ada) as http:
        answer = await http.post(f"/api/rooms/{room}/members", json={"user": user})
        assert answer.status_code in {400, 404}, answer.text
        assert_problem(answer, answer.status_code, answer.json()["code"])
        assert answer.json()["code"] in {"no_such_target", "invalid"}


@pytest.mark.parametrize("body", [{}, {"user": None}, {"user": []}, {"user": 1.5}, []], ids=ascii)
async def test_invitation_without_a_user_is_refused(server: Server, ada: Account, body: Any) -> None:
    room = await create_room(server.base_url, ada)
    async with with_token(server.base_url, ada) as http:
        assert_problem(await http.post(f"/api/rooms/{room}/members", json=body), 400, "invalid")


async def test_only_owners_and_oneself_may_remove_a_member(server: Server, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, ada, private=True)
    carol = await sign_up(server.base_url)
    path = f"/api/rooms/{room}/members"
    async with with_token(server.base_url, ada) as owner, with_token(server.base_url, bob) as member:
        for guest in (bob, carol):
            await owner.post(path, json={"user": guest.id})
        assert_problem(await member.delete(f"{path}/{carol.id}"), 403, "forbidden")
        assert_problem(await member.delete(f"{path}/{ada.id}"), 403, "forbidden")
        answer = await owner.delete(f"{path}/{carol.id}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert_problem(await owner.delete(f"{path}/{carol.id}"), 404, "no_such_target")
        assert_problem(await owner.delete(f"{path}/{2**53}"), 404, "no_such_target")
        assert_problem(await owner.delete(f"{path}/{10**30}"), 400, "invalid")
        assert_problem(await owner.delete(f"{path}/nobody"), 400, "invalid")
        assert (await member.delete(f"{path}/{bob.id}")).status_code == 204
        assert_problem(await member.get(f"/api/rooms/{room}"), 403, "not_a_member")


async def test_non_members_cannot_invite(server: Server, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, ada)
    async with with_token(server.base_url, bob) as http:
        assert_problem(await http.post(f"/api/rooms/{room}/members", json={"user": bob.id}), 403, "not_a_member")


async def test_direct_room_keeps_its_two_members(server: Server, ada: Account, bob: Account) -> None:
    carol = await sign_up(server.base_url)
    async with ChatClient(server.ws_url(), ada) as chat:
        room = (await chat.send_to(bob.id, "hi"))["room"]
    async with with_token(server.base_url, ada) as http:
        shown = (await listed(http))[room]
        assert (shown["kind"], shown["private"], shown["peer"]) == ("direct", True, {"id": bob.id, "name": bob.name})
        assert shown["last_at"] is not None
        assert_problem(await http.post(f"/api/rooms/{room}/members", json={"user": carol.id}), 403, "forbidden")
        assert_problem(await http.delete(f"/api/rooms/{room}/members/{ada.id}"), 403, "forbidden")
        assert_problem(await http.patch(f"/api/rooms/{room}", json={"private": False}), 403, "forbidden")
    async with with_token(server.base_url, carol) as http:
        assert room not in await listed(http)
        assert_problem(await http.get(f"/api/rooms/{room}"), 403, "not_a_member")


async def test_direct_rooms_are_hidden_from_others(server: Server, ada: Account, bob: Account) -> None:
    carol = await sign_up(server.base_url)
    async with ChatClient(server.ws_url(), ada) as chat:
        there = (await chat.send_to(bob.id, "hi"))["room"]
    not_there = f"dm-{ada.id}-{carol.id}"
    eve = await sign_up(server.base_url)
    async with with_token(server.base_url, eve) as http:
        for room in (there, not_there, there.upper()):
            assert_problem(await http.get(f"/api/rooms/{room}"), 403, "not_a_member")
            assert_problem(await http.get(f"/api/rooms/{room}/messages"), 403, "not_a_member")


async def test_last_owner_who_leaves_gets_a_successor(server: Server, ada: Account, bob: Account) -> None:
    async with with_token(server.base_url, ada) as http:
        room = (await http.post("/api/rooms", json={"slug": f"heir-{ada.id}"})).json()["slug"]
        await http.post(f"/api/rooms/{room}/members", json={"user": bob.id})
        assert (await http.delete(f"/api/rooms/{room}/members/{ada.id}")).status_code == 204
    async with with_token(server.base_url, bob) as http:
        assert (await http.patch(f"/api/rooms/{room}", json={"title": "Bob's now"})).json()["title"] == "Bob's now"
        assert_problem(await http.post(f"/api/rooms/{room}/members", json={"user": True}), 400, "invalid")


async def test_room_names_the_user_who_added_me(server: Server, ada: Account, bob: Account) -> None:
    added, joined = fresh(), fresh()
    async with with_token(server.base_url, bob) as http:
        for slug in (added, joined):
            await http.post("/api/rooms", json={"slug": slug})
        await http.post(f"/api/rooms/{added}/members", json={"user": ada.id})
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.join(joined)
    async with with_token(server.base_url, ada) as http:
        rooms = await listed(http)
        assert rooms[added]["added_by"] == {"id": bob.id, "name": bob.name}
        assert rooms[joined]["added_by"] is None
        found = (await http.get("/api/rooms", params={"added_by": bob.id})).json()
        assert [room["slug"] for room in found["rooms"]] == [added]
        assert (await http.get("/api/rooms", params={"added_by": 0})).status_code == 400


async def test_members_are_searched_over_http(server: Server, ada: Account, bob: Account) -> None:
    slug = fresh()
    async with with_token(server.base_url, ada) as http:
        await http.post("/api/rooms", json={"slug": slug})
        await http.post(f"/api/rooms/{slug}/members", json={"user": bob.id})

        async def ids(**params: Any) -> list[int]:
            answer = await http.get(f"/api/rooms/{slug}/members", params=params)
            return [person["id"] for person in answer.json()["members"]]

        assert await ids(query=bob.name[2:]) == [bob.id]
        assert await ids(begins=bob.name[2:]) == []
        assert await ids(begins=bob.name[:-2].upper()) == [bob.id]
        assert await ids(role="owner") == [ada.id]
        assert await ids(user=[bob.id, 2**40]) == [bob.id]
        for params in ({"role": "king"}, {"user": ["x"]}, {"user": list(range(1, 102))}):
            answer = await http.get(f"/api/rooms/{slug}/members", params=params)
            assert_problem(answer, 400, "invalid")
