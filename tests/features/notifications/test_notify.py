"""The push `notify`, its claim, and the settings of the API, over real sockets."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from typing import Any

import httpx
import pytest

from tests.conftest import Connect, StartServer
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, Frame, Refused, create_room, sign_up
from tests.support.server import Server
from tests.support.shapes import assert_shape

# As a browser makes them: a point of P-256 and 16 bytes.
KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}
DEFAULTS: dict[str, Any] = {
    "sound": False, "browser": True, "quiet": None, "digest": "off", "email": None, "email_confirmed": False, "mail": False,
    "rooms": {},
}  # fmt: skip


async def members(server: Server, *people: Account) -> str:
    """A private room of these people; the first owns it."""
    room = await create_room(server.base_url, people[0], private=True)
    async with with_token(server.base_url, people[0]) as http:
        for person in people[1:]:
            answer = await http.post(f"/api/rooms/{room}/members", json={"user": person.id})
            assert answer.is_success, answer.text
    return room


async def set_level(server: Server, person: Account, room: str, level: str) -> Frame:
    async with with_token(server.base_url, person) as http:
        answer = await http.put(f"/api/notifications/rooms/{room}", json={"level": level})
    assert answer.status_code == 200, answer.text
    found: Frame = answer.json()
    return found


async def notified(chat: ChatClient, room: str, seq: int, reason: str) -> Frame:
    frame = await chat.expect("notify", room=room, target=seq)
    assert_shape(frame)
    assert frame["reason"] == reason
    return frame


async def test_thing_of_another_feature_notifies_in_its_own_words(
    server: Server, connect: Connect, ada: Account, bob: Account
) -> None:
    """A feature's fields may have the names of a message's, with other contents.

    A quiz has a `question` that is still None.
    """
    mine, theirs = await connect(ada), await connect(bob)
    room = await members(server, ada, bob)
    await set_level(server, bob, room, "all")
    questions = [{"text": "Which?", "choices": ["this", "that"], "right": 0, "seconds": 5}]
    things: list[tuple[str, dict[str, Any], str]] = [
        ("quiz.create", {"title": "Warm up", "questions": questions}, "Warm up"),
        ("poll.create", {"question": "Tea?", "options": ["yes", "no"]}, "Tea?"),
        ("chess.offer", {"seconds": 60, "increment": 0}, ""),
    ]
    for kind, fields, words in things:
        stored = await mine.request(kind, room=room, key=secrets.token_hex(8), **fields)
        frame = await notified(theirs, room, stored["seq"], "all")
        assert frame["text"] == words or (not words and frame["text"])


async def test_first_direct_message_and_the_next_notify_every_device(connect: Connect, ada: Account, bob: Account) -> None:
    mine, phone, laptop = await connect(ada), await connect(bob), await connect(bob)
    text = "\N{GRINNING FACE}" * 250
    first = await mine.send_to(bob.id, text)
    second = await mine.send_to(bob.id, "again")
    for chat in (phone, laptop):
        frame = await notified(chat, first["room"], first["seq"], "direct")
        assert frame["from"] == {"id": ada.id, "name": ada.name}
        assert (frame["text"], frame["at"]) == (text[:200], first["at"])
        assert "title" not in frame
        await notified(chat, second["room"], second["seq"], "direct")
        await chat.expect_nothing("notify")
    await mine.expect_nothing("notify")


async def test_levels_and_mentions_decide(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    cyd = await sign_up(server.base_url)
    room = await members(server, ada, bob, cyd)
    mine, theirs, other = await connect(ada), await connect(bob), await connect(cyd)
    for chat in (mine, theirs, other):
        await chat.join(room)  # on screen or not, sockets get it: the page decides
    await mine.send(room, "chatter")
    named = await mine.send(room, f"@{bob.name} look")
    await notified(theirs, room, named["seq"], "mention")
    everybody = await mine.send(room, "@room all of you")
    for chat in (theirs, other):
        await notified(chat, room, everybody["seq"], "mention")
    assert (await set_level(server, cyd, room, "all"))["rooms"] == {room: "all"}
    chatter = await mine.send(room, "more chatter")
    await notified(other, room, chatter["seq"], "all")
    named = await mine.send(room, f"@{cyd.name} you, too")
    await notified(other, room, named["seq"], "mention")
    await set_level(server, bob, room, "nothing")
    everybody = await mine.send(room, "@room once more")
    await notified(other, room, everybody["seq"], "mention")
    await asyncio.gather(*(chat.expect_nothing("notify", seconds=1) for chat in (mine, theirs, other)))
    await set_level(server, bob, room, "mentions")
    named = await mine.send(room, f"@{bob.name} again")
    await notified(theirs, room, named["seq"], "mention")


async def test_things_of_features_count_at_level_all(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    room = await members(server, ada, bob)
    mine, theirs = await connect(ada), await connect(bob)
    await set_level(server, bob, room, "all")
    poll = await mine.request("poll.create", room=room, key="p", question="Tea?", options=["yes", "no"])
    assert (await notified(theirs, room, poll["seq"], "all"))["text"] == "Tea?"
    await mine.request("poll.vote", room=room, key="v", target=poll["seq"], choices=[0])
    await theirs.expect_nothing("notify", seconds=1)


async def test_messages_of_blocked_people_notify_nobody(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    room = await members(server, ada, bob)
    mine, theirs = await connect(ada), await connect(bob)
    async with with_token(server.base_url, bob) as http:
        assert (await http.post("/api/blocks", json={"user": ada.id})).is_success
        await mine.send(room, f"@{bob.name} hello")
        await theirs.expect_nothing("notify", seconds=1.5)
        assert (await http.delete(f"/api/blocks/{ada.id}")).is_success
    await asyncio.sleep(3.5)  # a process keeps a person's settings for three seconds
    sent = await mine.send(room, f"@{bob.name} hello")
    await notified(theirs, room, sent["seq"], "mention")


async def test_quiet_hours_are_silent(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    first = await mine.send_to(bob.id, "one")
    await notified(theirs, first["room"], first["seq"], "direct")
    async with with_token(server.base_url, bob) as http:
        hours = {"from": "00:00", "to": "00:00", "zone": "Europe/Berlin"}
        assert (await http.patch("/api/notifications", json={"quiet": hours})).json()["quiet"] == hours
        await mine.send_to(bob.id, "two")
        await theirs.expect_nothing("notify", seconds=1)
        assert (await http.patch("/api/notifications", json={"quiet": None})).json()["quiet"] is None
    third = await mine.send_to(bob.id, "three")
    await notified(theirs, third["room"], third["seq"], "direct")


async def test_one_device_of_a_person_is_first(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    mine = await connect(ada)
    devices = [await connect(bob) for _ in range(6)]  # on several processes, where there are
    sent = await mine.send_to(bob.id, "hello")
    room, seq = sent["room"], sent["seq"]
    replies = await asyncio.gather(*(chat.request("notify.claim", room=room, target=seq) for chat in devices))
    assert sorted(reply["first"] for reply in replies) == [False] * 5 + [True]
    assert_shape(replies[0])
    assert (await mine.request("notify.claim", room=room, target=seq))["first"]  # another person's
    assert not (await devices[0].request("notify.claim", room=room, target=seq))["first"]
    stranger = await connect()
    for fields, code in (({"room": room, "target": seq}, "not_a_member"), ({"room": room, "target": 0}, "bad_frame"),
                         ({"room": room}, "bad_frame"), ({"room": "nowhere-at-all", "target": 1}, "no_such_room")):  # fmt: skip
        with pytest.raises(Refused, match=code):
            await stranger.request("notify.claim", **fields)


async def test_settings_are_kept_and_pushed_to_all_devices(server: Server, connect: Connect, ada: Account) -> None:
    phone, laptop = await connect(ada), await connect(ada)
    assert "notifications" in phone.hello["features"]
    room = await create_room(server.base_url, ada)
    async with with_token(server.base_url, ada) as http:
        found = (await http.get("/api/notifications")).json()
        assert len(found.pop("push_key")) == 87
        assert found == {**DEFAULTS, "devices": []}
        hours = {"from": "22:00", "to": "07:00", "zone": "Asia/Shanghai"}
        answer = await http.patch("/api/notifications", json={"sound": True, "browser": False, "quiet": hours, "digest": "daily"})
        changed = answer.json()
        del changed["push_key"]
        expected = {**DEFAULTS, "sound": True, "browser": False, "quiet": hours, "digest": "daily"}
        assert changed == expected
        for chat in (phone, laptop):
            frame = await chat.expect("notifications")
            assert_shape(frame)
            assert {name: frame[name] for name in expected} == expected
        await set_level(server, ada, room, "nothing")
        for chat in (phone, laptop):
            assert (await chat.expect("notifications"))["rooms"] == {room: "nothing"}
        found = (await http.get("/api/notifications")).json()
        assert {name: found[name] for name in expected} == {**expected, "rooms": {room: "nothing"}}
        await set_level(server, ada, room, "mentions")
        assert (await http.get("/api/notifications")).json()["rooms"] == {}


async def test_wrong_settings_are_refused_by_name(server: Server, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, bob, private=True)
    async with with_token(server.base_url, ada) as http:
        for body, named in (({"quiet": {"from": "25:00", "to": "07:00", "zone": "UTC"}}, "from"), ({"email": "a@b.c"}, "e-mail"),
                            ({"quiet": {"from": "22:00", "to": "07:00", "zone": "Nowhere"}}, "Nowhere")):  # fmt: skip
            assert named in assert_problem(await http.patch("/api/notifications", json=body), 400, "bad_frame")["detail"]
        for body in ({"digest": "weekly"}, {"sound": "loud"}, {"quiet": {"from": "22:00"}}):
            assert_problem(await http.patch("/api/notifications", json=body), 400, "invalid")
        assert_problem(await http.put(f"/api/notifications/rooms/{room}", json={"level": "all"}), 403, "not_a_member")
        assert_problem(await http.put("/api/notifications/rooms/none-such", json={"level": "all"}), 404, "no_such_room")
        assert_problem(await http.put(f"/api/notifications/rooms/{room}", json={"level": "some"}), 400, "invalid")


async def test_devices_are_bounded_and_one_an_endpoint(server: Server, ada: Account, bob: Account) -> None:
    mark = secrets.token_hex(4)

    def device(number: int, **fields: Any) -> dict[str, Any]:
        return {"endpoint": f"https://push.example.org/{mark}/{number}", "keys": KEYS, "label": f"Phone {number}", **fields}

    async with with_token(server.base_url, ada) as http, with_token(server.base_url, bob) as https:
        answer = await http.post("/api/notifications/devices", json=device(0))
        assert answer.status_code == 201
        first = answer.json()["id"]
        assert (await http.post("/api/notifications/devices", json=device(0, label="Same"))).json() == {"id": first}
        (shown,) = (await http.get("/api/notifications")).json()["devices"]
        assert (shown["id"], shown["label"]) == (first, "Same")
        assert set(shown) == {"id", "label", "created_at"}
        # Somebody else signs in at that browser: it tells them, and no longer ada.
        assert (await https.post("/api/notifications/devices", json=device(0))).json() == {"id": first}
        assert (await http.get("/api/notifications")).json()["devices"] == []
        assert_problem(await http.delete(f"/api/notifications/devices/{first}"), 404, "no_such_target")
        made = [(await http.post("/api/notifications/devices", json=device(n))).json()["id"] for n in range(1, 23)]
        assert [one["id"] for one in (await http.get("/api/notifications")).json()["devices"]] == made[-20:]
        assert (await http.delete(f"/api/notifications/devices/{made[-1]}")).status_code == 204
        wrongs: list[tuple[dict[str, Any], str]] = [
            ({"endpoint": "http://push.example.org/x"}, "https"),
            ({"endpoint": "https://10.0.0.1/x"}, "internal"),
            ({"keys": {**KEYS, "p256dh": "AAAA"}}, "p256dh"),
            ({"keys": {**KEYS, "auth": "AAAA"}}, "auth"),
        ]
        for wrong, named in wrongs:
            answer = await http.post("/api/notifications/devices", json=device(1, **wrong))
            assert named in assert_problem(answer, 400, "bad_frame")["detail"]


async def test_flood_of_messages_is_notified_at_a_pace(start_server: StartServer) -> None:
    server = start_server(LIMIT_MESSAGES_PER_S="0", WEB_CONCURRENCY="1")
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    async with ChatClient(server.ws_url(), ada) as mine, ChatClient(server.ws_url(), bob) as theirs:
        room = (await theirs.send_to(ada.id, "0"))["room"]
        begun = time.monotonic()
        await asyncio.gather(*(theirs.send(room, str(number)) for number in range(1, 100)))
        await mine.expect("notify", room=room)
        # The rest of them, as many as there are.
        await asyncio.sleep(2)
        took_s = time.monotonic() - begun
        received = 1 + len(mine.pending_frames("notify"))
        assert 15 <= received <= 20 + 5 * took_s + 1
        async with httpx.AsyncClient(base_url=server.base_url) as http:
            shown = (await http.get("/metrics")).text
    assert re.search(r'^hubbub_notify_total\{result="limited"\} [1-9]', shown, flags=re.MULTILINE)
