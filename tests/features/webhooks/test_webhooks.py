"""Webhooks of a room, on a running server."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

import pytest

from tests.conftest import Connect, StartServer
from tests.support.api import anonymous, assert_problem, with_token
from tests.support.chat_client import Account, create_room, sign_up
from tests.support.server import Server
from tests.support.shapes import assert_shape


@pytest.fixture
async def room(server: Server, ada: Account) -> str:
    return await create_room(server.base_url, ada, private=True)


async def test_program_posts_into_a_room_until_it_is_revoked(server: Server, connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    await chat.join(room)
    async with with_token(server.base_url, ada) as http, anonymous(server.base_url) as program:
        made = (await http.post(f"/api/rooms/{room}/hooks", json={"name": "CI"})).json()
        path = f"/api/hooks/{made['token']}"
        assert made["url"] == f"{server.base_url}{path}"
        answer = await program.post(path, json={"text": "passed", "icon_emoji": ":robot:"}, headers={"Idempotency-Key": "b41"})
        assert (answer.status_code, answer.json()) == (201, {"ok": True, "room": room, "seq": 1})
        again = await program.post(path, json={"text": "passed"}, headers={"Idempotency-Key": "b41"})
        assert again.json() == {"ok": True, "room": room, "seq": 1}
        await program.post(path, json={"username": "Deploys", "attachments": [{"title": "v2", "text": "is out"}]})
        first, second = await chat.expect("message", seq=1), await chat.expect("message", seq=2)
        assert (first["text"], first["alias"]) == ("passed", "CI")
        assert (second["text"], second["alias"]) == ("v2\nis out", "Deploys")
        assert first["bot"] is True
        assert_shape({name: value for name, value in first.items() if name not in {"alias", "bot"}})
        await chat.request("message.send", room=room, key="answer", text="Well done", reply_to=1)
        answer_to = {"seq": 1, "from": first["from"], "text": "passed", "alias": "CI"}
        assert (await chat.expect("message", seq=3))["reply_to"] == answer_to
        page = await chat.request("history", room=room, before=4)
        assert page["messages"][-1]["reply_to"] == answer_to
        (hook,) = (await http.get(f"/api/rooms/{room}/hooks")).json()["hooks"]
        assert (hook["name"], hook["created_by"]) == ("CI", ada.name)
        assert (hook["posts"], hook["last_used_at"] is None) == (2, False)
        assert "token" not in hook
        assert [one["name"] for one in (await http.get(f"/api/rooms/{room}/members")).json()["members"]] == [ada.name]
        assert (await http.get("/api/users", params={"query": first["from"]["name"]})).json()["users"] == []
        assert (await http.delete(f"/api/rooms/{room}/hooks/{hook['id']}")).status_code == 204
        assert_problem(await program.post(path, json={"text": "late"}), 404, "no_such_target")


async def test_revoked_hook_leaves_no_account_unless_it_has_posted(server: Server, ada: Account, room: str) -> None:
    bots = "from accounts.models import User; from features.webhooks.models import Hook;"
    bots += "hooks = Hook.objects.filter(id__in={hooks}).values_list('bot', flat=True);"
    bots += "print([User.objects.filter(id__in={ids}).count(), list(hooks)])"
    async with with_token(server.base_url, ada) as http, anonymous(server.base_url) as program:
        made = [(await http.post(f"/api/rooms/{room}/hooks", json={"name": name})).json() for name in ("used", "unused")]
        hooks = [one["id"] for one in made]
        shown = await asyncio.to_thread(server.shell, bots.format(ids=[], hooks=hooks))
        ids = json.loads(shown)[1]
        assert (await program.post(f"/api/hooks/{made[0]['token']}", json={"text": "hello"})).status_code == 201
        for hook in hooks:
            assert (await http.delete(f"/api/rooms/{room}/hooks/{hook}")).status_code == 204
            assert_problem(await http.delete(f"/api/rooms/{room}/hooks/{hook}"), 404, "no_such_target")
        shown = await asyncio.to_thread(server.shell, bots.format(ids=ids, hooks=hooks))
        assert json.loads(shown) == [1, []]


async def test_refusals(server: Server, ada: Account, room: str) -> None:
    bob = await sign_up(server.base_url)
    async with with_token(server.base_url, ada) as http, with_token(server.base_url, bob) as other:
        await http.post(f"/api/rooms/{room}/members", json={"user": bob.id})
        hooks = f"/api/rooms/{room}/hooks"
        for answer in (await other.get(hooks), await other.post(hooks, json={"name": "x"}), await other.delete(f"{hooks}/1")):
            assert_problem(answer, 403, "forbidden")
        assert_problem(await http.post(hooks, json={"name": bob.name}), 400, "bad_frame")
        assert_problem(await http.delete(f"{hooks}/999999999"), 404, "no_such_target")
        path = f"/api/hooks/{(await http.post(hooks, json={'name': 'CI'})).json()['token']}"
        assert_problem(await http.post(path, json={"text": " "}), 400, "empty")
        assert_problem(await http.post(path, json={"text": "x" * 10_001}), 400, "too_long")
        for body in ({"text": "a\0b"}, {"attachments": [{"text": "a\0b"}]}):
            answer = await http.post(path, json=body)
            assert_problem(answer, 400, "bad_frame")
            assert "NUL" in answer.json()["detail"]
        assert_problem(await http.post(path, json={"text": "x", "username": bob.name}), 400, "bad_frame")
        made = [await http.post(hooks, json={"name": f"n{number}"}) for number in range(20)]
        assert [answer.status_code for answer in made] == [201] * 19 + [400]


async def test_key_of_a_hook_is_kept_after_its_name_was_taken(server: Server, ada: Account, room: str) -> None:
    name, key = f"deploys-{secrets.token_hex(6)}", {"Idempotency-Key": "k"}
    async with with_token(server.base_url, ada) as http:
        made = (await http.post(f"/api/rooms/{room}/hooks", json={"name": "CI"})).json()
        post: dict[str, Any] = {"url": f"/api/hooks/{made['token']}", "json": {"text": "out", "username": name}}
        first = await http.post(**post, headers=key)
        await sign_up(server.base_url, name)
        again = await http.post(**post, headers=key)
        assert (again.status_code, again.json()) == (201, first.json())
        assert_problem(await http.post(**post, headers={"Idempotency-Key": "k2"}), 400, "bad_frame")
        assert_problem(await http.post(**post), 400, "bad_frame")


async def test_long_keys_that_begin_alike_lose_no_message(server: Server, ada: Account, room: str) -> None:
    async with with_token(server.base_url, ada) as http:
        made = (await http.post(f"/api/rooms/{room}/hooks", json={"name": "CI"})).json()
        path, key = f"/api/hooks/{made['token']}", "k" * 64
        assert (await http.post(path, json={"text": "one"}, headers={"Idempotency-Key": key})).json()["seq"] == 1
        for ending in "ab":
            answer = await http.post(path, json={"text": ending}, headers={"Idempotency-Key": key + ending})
            assert "65 characters" in assert_problem(answer, 400, "bad_frame")["detail"]


async def test_flood_through_a_hook_is_limited(start_server: StartServer) -> None:
    own = start_server(LIMIT_MESSAGES_PER_S="2")
    account = await sign_up(own.base_url)
    room = await create_room(own.base_url, account)
    async with with_token(own.base_url, account) as http:
        path = f"/api/hooks/{(await http.post(f'/api/rooms/{room}/hooks', json={'name': 'CI'})).json()['token']}"
        answers = await asyncio.gather(*(http.post(path, json={"text": "x"}) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {201, 429}
