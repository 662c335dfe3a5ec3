"""Each durable frame of a feature counts against the limit of messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from msgspec import inspect as shapes

from core.features import installed
from tests.conftest import StartServer
from tests.server.test_logs import value_of
from tests.support.chat_client import ChatClient, Refused, create_room, sign_up
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


@pytest.mark.parametrize("frame", sorted(DURABLE))
async def test_durable_frame_counts_against_the_limit_of_messages(chat: tuple[ChatClient, str], frame: str) -> None:
    """Refused frames count, too: each may cost a look at the database."""
    socket, room = chat
    required = [one for one in shapes.type_info(DURABLE[frame]).fields if one.required]  # type: ignore[attr-defined]
    fields = {one.encode_name: value_of(one.type, one.name, room) for one in required} | FITTING.get(frame, {})
    codes = set[str]()
    for number in range(8):
        try:
            await socket.request(frame, **fields | {"key": f"{number}"})
        except Refused as refused:
            codes.add(refused.code)
    assert "rate_limited" in codes, codes
