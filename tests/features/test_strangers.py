"""A person outside a private room gets nothing from it, by any call or frame."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import inspect as shapes

from core.features import installed
from tests.conftest import Connect
from tests.server.test_logs import body_of, value_of
from tests.support.api import with_token
from tests.support.chat_client import Account, ChatClient, Refused, create_room
from tests.support.server import Server

# Where any text is a bad frame.
FITTING = {"chess.move": {"move": "e2e4"}, "note.update": {"update": "AA=="}}
# They need a note that a member has opened on this socket.
CLOSED = {"note.close", "note.cursor"}
FRAMES = {
    handler.type: handler.frame
    for feature in installed().features
    for handler in feature.frames
    if "room" in handler.frame.__struct_fields__
}


@pytest.fixture
async def private(server: Server, connect: Connect, ada: Account) -> str:
    """Ada's room with a message."""
    room = await create_room(server.base_url, ada, private=True)
    await (await connect(ada)).send(room, "for us alone")
    return room


def calls(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return method, path and operation of all calls below a room."""
    found = [
        (method, path, operation)
        for path, operations in document["paths"].items()
        if path.startswith("/api/rooms/{slug}")
        for method, operation in operations.items()
    ]
    assert len(found) > 30
    return found


async def test_no_call_answers_a_stranger(server: Server, private: str, bob: Account) -> None:
    answers: dict[tuple[str, str], tuple[int, str]] = {}
    async with with_token(server.base_url, bob) as http:
        document = (await http.get("/api/openapi.json")).json()
        for method, path, operation in calls(document):
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            fields: dict[str, Any] = {"json": body_of(schema, document, room=private)} if schema else {}
            if "multipart/form-data" in content:
                fields = {"files": {"file": ("a.txt", b"text", "text/plain")}}
            if path.endswith("/sensors/readings"):
                fields = {"json": {"readings": [{"sensor_id": "t1", "value": 1}]}}
            address = path.replace("{slug}", private)
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    one = "1" if parameter["schema"].get("type") == "integer" else "t1"
                    address = address.replace(f"{{{parameter['name']}}}", one)
            query = {one["name"]: "2026-01-01" for one in operation["parameters"] if one["in"] == "query" and one["required"]}
            answer = await http.request(method, address, params=query, **fields)
            code = answer.json().get("code", "") if answer.content else ""
            answers[method, path] = answer.status_code, code
    assert {call: found for call, found in answers.items() if found != (403, "not_a_member")} == {}


@pytest.mark.parametrize("frame", sorted(FRAMES))
async def test_no_frame_reaches_a_strangers_room(connect: Connect, bob: Account, private: str, frame: str) -> None:
    chat: ChatClient = await connect(bob)
    required = [one for one in shapes.type_info(FRAMES[frame]).fields if one.required]  # type: ignore[attr-defined]
    fields = {one.encode_name: value_of(one.type, one.name, private) for one in required}
    with pytest.raises(Refused) as refused:
        await chat.request(frame, **msgspec.to_builtins(fields) | FITTING.get(frame, {}) | {"room": private})
    assert refused.value.code == ("no_such_target" if frame in CLOSED else "not_a_member")
