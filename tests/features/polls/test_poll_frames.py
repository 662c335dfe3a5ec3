"""poll.create, poll.vote, poll.close over real sockets, and the polls of the API."""

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conftest import Connect, StartServer
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, Frame, code_of, create_room, sign_up
from tests.support.server import Server

POLL: Frame = {"question": "Tea?", "options": ["yes", "no", "later"], "multiple": False, "secret": False}


async def create(chat: ChatClient, room: str, **fields: Any) -> int:
    seq: int = (await send(chat, "poll.create", room, **(POLL | fields)))["seq"]
    return seq


async def send(chat: ChatClient, type_: str, room: str, **fields: Any) -> Frame:
    reply = await chat.request(type_, room=room, **({"key": secrets.token_hex(8)} | fields))
    assert set(reply) == {"type", "re", "room", "seq", "at", "duplicate"}
    assert reply["type"] == "stored"
    return reply


async def code(chat: ChatClient, type_: str, room: str, **fields: Any) -> str:
    return await code_of(send(chat, type_, room, **fields))


async def test_votes_reach_everybody_and_a_client_that_was_away(connect: Connect, ada: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect()
    for chat in (mine, theirs):
        await chat.join(room)
    seq = await create(mine, room, key="k")
    bob = theirs.account
    assert bob is not None
    for chat in (mine, theirs):
        event = await chat.expect("poll", seq=seq)
        assert event.pop("key", "") == ("k" if chat is mine else "")
        del event["at"]
        assert event == POLL | {
            "type": "poll", "room": room, "seq": seq, "from": {"id": ada.id, "name": ada.name},
            "closes_at": None, "closed": False, "tally": [0, 0, 0], "voters": 0, "votes": {},
        }  # fmt: skip
    await theirs.close()
    await send(mine, "poll.vote", room, target=seq, choices=[0])
    back = await connect(bob)
    assert [event["type"] for event in await back.catch_up(room, after=seq)] == ["poll.voted"]
    await send(back, "poll.vote", room, target=seq, choices=[2])
    await send(back, "poll.vote", room, target=seq, choices=[1])
    await send(mine, "poll.close", room, target=seq)
    last = await back.expect("poll.closed", target=seq)
    assert set(last) == {"type", "room", "seq", "from", "at", "target", "state"}
    state = POLL | {
        "closes_at": None, "closed": True, "tally": [1, 1, 0], "voters": 2, "votes": {str(ada.id): [0], str(bob.id): [1]},
    }  # fmt: skip
    assert last["state"] == state
    for events in (
        (await (await connect(bob)).join(room))["events"],
        (await back.request("history", room=room, before=2**40))["messages"],
    ):
        (shown,) = events
        assert {name: shown[name] for name in state} == state
    assert (await back.catch_up(room, after=seq))[-1]["state"] == state


async def test_refusals_by_code(connect: Connect, ada: Account, room: str) -> None:
    owner, author, stranger = await connect(ada), await connect(), await connect()
    await author.join(room)
    note = (await author.send(room, "no poll"))["seq"]
    seq, many = await create(author, room), await create(author, room, multiple=True)
    soon = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    vote = {"target": seq, "choices": [0]}
    table: list[tuple[ChatClient, str, dict[str, Any], str]] = [
        (stranger, "poll.create", POLL, "not_a_member"),
        (stranger, "poll.vote", vote, "not_a_member"),
        (author, "poll.create", POLL | {"options": ["one"]}, "bad_frame"),
        (author, "poll.create", POLL | {"options": [str(number) for number in range(21)]}, "bad_frame"),
        (author, "poll.create", POLL | {"options": ["a", " A "]}, "bad_frame"),
        (author, "poll.create", POLL | {"options": ["a", "\0"]}, "bad_frame"),
        (author, "poll.create", POLL | {"question": " "}, "empty"),
        (author, "poll.create", POLL | {"question": "x" * 301}, "too_long"),
        (author, "poll.create", POLL | {"closes_at": soon}, "bad_frame"),
        (author, "poll.create", POLL | {"closes_at": "2999-01-01T00:00:00"}, "bad_frame"),
        (author, "poll.create", POLL | {"closes_at": "0001-01-01T00:00:00+14:00"}, "bad_frame"),
        (owner, "poll.vote", vote | {"choices": [3]}, "bad_frame"),
        (owner, "poll.vote", vote | {"choices": [-1]}, "bad_frame"),
        (owner, "poll.vote", vote | {"choices": [0, 1]}, "bad_frame"),
        (owner, "poll.vote", vote | {"target": many, "choices": [1, 1]}, "bad_frame"),
        (owner, "poll.vote", vote | {"target": many, "choices": [2, 0]}, ""),
        (owner, "poll.vote", vote | {"target": note}, "no_such_target"),
        (owner, "poll.vote", vote | {"target": 999}, "no_such_target"),
        (owner, "poll.close", {"target": note}, "no_such_target"),
        (owner, "poll.vote", vote, ""),
        (owner, "poll.close", {"target": seq}, ""),
        (author, "poll.close", {"target": seq}, "closed"),
        (author, "poll.vote", vote, "closed"),
        (author, "poll.close", {"target": many}, ""),
    ]
    for chat, type_, fields, expected in table:
        assert await code(chat, type_, room, **fields) == expected, (type_, fields)
    third = await create(owner, room)
    assert await code(author, "poll.close", room, target=third) == "forbidden"


async def test_one_vote_a_person_from_many_sockets_at_once(start_server: StartServer) -> None:
    server = start_server(LIMIT_MESSAGES_PER_S="0", LIMIT_SOCKETS_PER_USER="0")
    owner = await sign_up(server.base_url)
    people = [owner, *[await sign_up(server.base_url) for _ in range(3)]]
    room = await create_room(server.base_url, owner)
    sockets = [ChatClient(server.ws_url(), person) for person in people for _ in range(2)]
    for chat in sockets:
        await chat.open()
        await chat.join(room)
    seq = await create(sockets[0], room)
    replies = await asyncio.gather(
        *(send(chat, "poll.vote", room, target=seq, choices=[turn % 3], key=f"{turn}") for chat in sockets for turn in range(9))
    )
    assert len({reply["seq"] for reply in replies}) == 9 * len(people)  # both sockets of a person send the same keys
    last = max(reply["seq"] for reply in replies)
    states = []
    for chat in sockets:
        states.append((await chat.expect("poll.voted", seq=last))["state"])
        await chat.close()
    assert all(state == states[0] for state in states)
    assert sum(states[0]["tally"]) == states[0]["voters"] == len(people) == len(states[0]["votes"])


async def test_repeated_key_is_answered_as_before_also_after_the_time(connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    await chat.join(room)
    closes_at = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    first = await send(chat, "poll.create", room, **POLL, closes_at=closes_at, key="poll")
    await send(chat, "poll.vote", room, target=first["seq"], choices=[1], key="vote")
    closed = await chat.expect("poll.closed", timeout=15)
    assert (closed["from"]["id"], closed["state"]["closed"], closed["state"]["tally"]) == (ada.id, True, [0, 1, 0])
    again = await send(chat, "poll.create", room, **POLL, closes_at=closes_at, key="poll")
    assert (again["seq"], again["duplicate"]) == (first["seq"], True)
    again = await send(chat, "poll.vote", room, target=first["seq"], choices=[0], key="vote")
    assert (again["seq"], again["duplicate"]) == (first["seq"] + 1, True)
    assert await code(chat, "poll.vote", room, target=first["seq"], choices=[0]) == "closed"
    await chat.expect_nothing("poll.closed", seconds=3)  # every process looked again


async def test_secret_votes_never_leave_the_server(server: Server, connect: Connect, ada: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect()
    for chat in (mine, theirs):
        await chat.join(room)
    seq = await create(mine, room, secret=True)
    await send(theirs, "poll.vote", room, target=seq, choices=[1], key="bobs")
    bob = theirs.account
    assert bob is not None
    seen = [await mine.expect("poll.voted"), await theirs.expect("poll.voted")]
    assert [event.pop("key", None) for event in seen] == [None, "bobs"]
    for page in (await mine.catch_up(room, after=0), (await mine.request("history", room=room, before=2**40))["messages"]):
        seen += [event for event in page if event["type"].startswith("poll")]
    for event in seen:
        assert "choices" not in json.dumps(event)
        state = event.get("state", event)
        assert state["votes"] == {}
        if event["type"] == "poll.voted":  # with the voter's name, the change of the tally would tell the vote
            assert event["from"] == {"id": 0, "name": ""}
            assert (state["tally"], state["voters"]) == ([0, 1, 0], 1)
    async with with_token(server.base_url, ada) as http, with_token(server.base_url, bob) as https:
        path = f"/api/rooms/{room}/polls/{seq}"
        assert bob.name not in (await http.get(f"{path}.csv")).text
        assert_problem(await http.get(f"{path}/votes"), 403, "forbidden")
        assert (await http.get(f"{path}/mine")).json()["choices"] == []
        assert (await https.get(f"{path}/mine")).json() == {"room": room, "seq": seq, "choices": [1]}


async def test_polls_of_the_api(server: Server, connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    first, second = await create(chat, room, options=["=1+1", "b"]), await create(chat, room)
    await send(chat, "poll.vote", room, target=first, choices=[0])
    await send(chat, "poll.close", room, target=second)
    stranger = await sign_up(server.base_url)
    async with with_token(server.base_url, ada) as http, with_token(server.base_url, stranger) as https:
        (found,) = (await http.get(f"/api/rooms/{room}/polls")).json()["polls"]
        assert (found["seq"], found["tally"], found["votes"]) == (first, [1, 0], {str(ada.id): [0]})
        voters = (await http.get(f"/api/rooms/{room}/polls/{first}/votes")).json()["voters"]
        assert voters == [[{"id": ada.id, "name": ada.name}], []]
        answer = await http.get(f"/api/rooms/{room}/polls/{first}.csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.text == f"\N{BOM}option,votes,voters\r\n'=1+1,1,{ada.name}\r\nb,0,\r\n"
        assert_problem(await http.get(f"/api/rooms/{room}/polls/99.csv"), 404, "no_such_target")
        for path in ("", f"/{first}.csv", f"/{first}/mine", f"/{first}/votes"):
            assert_problem(await https.get(f"/api/rooms/{room}/polls{path}"), 403, "not_a_member")
