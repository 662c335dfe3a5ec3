"""survey.create, survey.answer and survey.close over sockets; surveys of the API."""

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Connect
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, Frame, Refused
from tests.support.server import Server

SURVEY: Frame = {
    "title": "Launch",
    "questions": [
        {"kind": "single", "text": "Happy?", "options": ["yes", "no"]},
        {"kind": "scale", "text": "How much?"},
        {"kind": "text", "text": "Anything else?"},
    ],
}


async def send(chat: ChatClient, type_: str, room: str, **fields: Any) -> Frame:
    reply = await chat.request(type_, room=room, **({"key": secrets.token_hex(8)} | fields))
    assert reply["type"] == "stored"
    return reply


async def test_answers_reach_everybody_and_are_counted_once(
    server: Server, connect: Connect, ada: Account, bob: Account, room: str
) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    for chat in (mine, theirs):
        await chat.join(room)
    seq = (await send(mine, "survey.create", room, **SURVEY))["seq"]
    event = await theirs.expect("survey", seq=seq)
    assert (event["people"], event["counts"], event["secret"], event["closes_at"]) == (0, [[0, 0], [0] * 5, [0]], False, None)
    await send(theirs, "survey.answer", room, target=seq, answers=[[0], 4, "tea"])
    await send(theirs, "survey.answer", room, target=seq, answers=[[1], 5, "more tea"])
    await send(mine, "survey.answer", room, target=seq, answers=[[1], None, None])
    last = [await mine.expect("survey.answered", target=seq) for _ in range(3)][-1]
    assert (last["state"]["people"], last["state"]["counts"]) == (2, [[0, 2], [0, 0, 0, 0, 1], [1]])
    assert "tea" not in json.dumps(last)
    async with with_token(server.base_url, bob) as http:
        path = f"/api/rooms/{room}/surveys/{seq}"
        assert (await http.get(f"{path}/mine")).json()["answers"] == [[1], 5, "more tea"]
        assert (await http.get(f"{path}/texts")).json()["texts"] == [[], [], ["more tea"]]
        assert f"{bob.name},no,5,more tea" in (await http.get(f"{path}.csv")).text
    with pytest.raises(Refused, match="forbidden"):
        await send(theirs, "survey.close", room, target=seq)
    await send(mine, "survey.close", room, target=seq)
    with pytest.raises(Refused, match="closed"):
        await send(theirs, "survey.answer", room, target=seq, answers=[[0], None, None])


async def test_secret_survey_names_nobody(server: Server, connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    for chat in (mine, theirs):
        await chat.join(room)
    seq = (await send(mine, "survey.create", room, **SURVEY, secret=True))["seq"]
    await send(theirs, "survey.answer", room, target=seq, answers=[[0], 1, "not you"])
    event = await mine.expect("survey.answered", target=seq)
    assert event["from"] == {"id": 0, "name": ""}
    async with with_token(server.base_url, ada) as http:
        result = (await http.get(f"/api/rooms/{room}/surveys/{seq}.csv")).text
        assert bob.name not in result
        assert "not you" in result
        assert (await http.get(f"/api/rooms/{room}/surveys/{seq}/mine")).json()["answers"] == []
        assert_problem(await http.get(f"/api/rooms/{room}/surveys/{seq + 1}/mine"), 404, "no_such_target")


async def test_concurrent_answers_of_one_person_count_once(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine = await connect(ada)
    await mine.join(room)
    devices = [await connect(bob) for _ in range(4)]
    for device in devices:
        await device.join(room)
    seq = (await send(mine, "survey.create", room, **SURVEY))["seq"]
    await asyncio.gather(
        *(
            send(device, "survey.answer", room, target=seq, answers=[[turn % 2], turn % 5 + 1, None])
            for device in devices
            for turn in range(5)
        )
    )
    events = [await mine.expect("survey.answered", target=seq) for _ in range(20)]
    assert all(event["state"]["people"] == 1 for event in events)
    assert all(sum(event["state"]["counts"][0]) == 1 for event in events)


async def test_survey_closes_at_its_time(connect: Connect, ada: Account, room: str) -> None:
    mine = await connect(ada)
    await mine.join(room)
    closes = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    seq = (await send(mine, "survey.create", room, **SURVEY, closes_at=closes))["seq"]
    closed = await mine.expect("survey.closed", target=seq, timeout=10)
    assert closed["state"]["closed"] is True


async def test_bad_surveys_are_refused_by_name(connect: Connect, ada: Account, room: str) -> None:
    mine = await connect(ada)
    await mine.join(room)
    for fields, message in (
        ({"questions": []}, "questions"),
        ({"questions": [{"kind": "essay", "text": "x"}]}, "kind"),
        ({"questions": [{"kind": "single", "text": "x", "options": ["a"]}]}, "question 1 needs two options"),
        ({"questions": SURVEY["questions"] * 7}, "length"),
    ):
        with pytest.raises(Refused, match=message) as refused:
            await send(mine, "survey.create", room, **(SURVEY | fields))
        assert refused.value.code == "bad_frame"
