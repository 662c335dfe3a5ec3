"""Rules for each durable frame of every feature, and for its live values.

They count against the limit of messages, and those of a blocked person are refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from msgspec import inspect as shapes

from core.features import installed
from tests.conftest import Connect, StartServer
from tests.server.test_logs import value_of
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, code_of, create_room, sign_up
from tests.support.server import Server

# Durable frames bring their idempotency key.
DURABLE = {
    handler.type: handler.frame
    for feature in installed().features
    for handler in feature.frames
    if {"key", "room"} <= set(handler.frame.__struct_fields__)
}
# Where any text is a bad frame.
FITTING = {"chess.move": {"move": "e2e4"}}


@pytest.fixture(scope="module")
def slow(start_module_server: StartServer) -> Server:
    return start_module_server(LIMIT_MESSAGES_PER_S="2")


@pytest.fixture
async def chat(slow: Server) -> AsyncIterator[tuple[ChatClient, str]]:
    """A socket of a new person, and their room with one message."""
    ada = await sign_up(slow.base_url)
    room = await create_room(slow.base_url, ada)
    async with AsyncExitStack() as exits:
        opened = await exits.enter_async_context(ChatClient(slow.ws_url(), ada))
        await opened.send(room, "hi")
        yield opened, room


def test_features_have_durable_frames() -> None:
    assert {"poll.vote", "survey.answer", "chess.move", "quiz.answer", "location.share", "note.create"} <= set(DURABLE)


def fields_of(frame: str, room: str) -> dict[str, Any]:
    required = [one for one in shapes.type_info(DURABLE[frame]).fields if one.required]  # type: ignore[attr-defined]
    return {one.encode_name: value_of(one.type, one.name, room) for one in required} | FITTING.get(frame, {})


async def code(chat: ChatClient, frame: str, **fields: Any) -> str:
    return await code_of(chat.request(frame, **fields))


@pytest.mark.parametrize("frame", sorted(DURABLE))
async def test_durable_frame_counts_against_the_limit_of_messages(chat: tuple[ChatClient, str], frame: str) -> None:
    """Refused frames count, too: each may cost a look at the database."""
    socket, room = chat
    fields = fields_of(frame, room)
    codes = [await code(socket, frame, **fields | {"key": str(number)}) for number in range(8)]
    assert "rate_limited" in codes


async def test_blocked_person_reaches_nobody(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    room = (await theirs.send_to(ada.id, "hi"))["room"]
    for chat in (mine, theirs):
        await chat.join(room)
    await theirs.push("typing", room=room)
    await mine.expect("typing", room=room)
    place, readings = {"latitude": 1.0, "longitude": 2.0}, [{"sensor_id": "t1", "value": 1}]
    # A share of before does not help.
    await theirs.request("location.share", room=room, seconds=60, key="before")
    async with with_token(server.base_url, ada) as http:
        assert (await http.post("/api/blocks", json={"user": bob.id})).is_success
    begins = [frame for frame in DURABLE if "target" not in DURABLE[frame].__struct_fields__]
    assert len(begins) > 5
    for frame in begins:
        assert await code(theirs, frame, **fields_of(frame, room) | {"key": f"of {frame}"}) == "forbidden", frame
    assert await code(theirs, "location.update", room=room, **place) == "forbidden"
    assert await code(theirs, "sensor.push", room=room, readings=readings) == "forbidden"
    async with with_token(server.base_url, bob) as http:
        answer = await http.post(f"/api/rooms/{room}/sensors/readings", json={"readings": readings})
        assert_problem(answer, 403, "forbidden")
    await asyncio.sleep(1)  # typing is shown once a second
    await theirs.push("typing", room=room)
    await mine.expect_nothing("typing", seconds=1)
    assert not mine.pending_frames("live")
    # What was refused is not kept for later either.
    async with with_token(server.base_url, ada) as http:
        assert (await http.get(f"/api/rooms/{room}/sensors")).json()["sensors"] == []
