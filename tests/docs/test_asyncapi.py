"""docs/asyncapi.yaml is valid and agrees with the server on all frames."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from config.protocol import asyncapi
from config.protocol.__main__ import documents
from config.protocol.frames import frames_of
from core.features import installed
from tests.docs.contract import Json, Message, document, faults, matching, messages, resolve
from tests.docs.tape import Tape
from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.profile import Profile
from tests.support.server import Server

# Another process committed more events than a socket may miss, and the layer delivered none.
FALL_BEHIND = """
from django.utils import timezone
from chat.models import Event
from rooms.models import Membership, Room
room = Room.objects.get(slug="{room}")
author = Membership.objects.filter(room=room).first().user_id
new = range(room.head + 1, room.head + 1102)
Event.objects.bulk_create(Event(room=room, seq=n, author_id=author, key=f"late-{{n}}", at=timezone.now(), text="x") for n in new)
Room.objects.filter(id=room.id).update(head=new[-1])
"""


# --- the document itself


def test_document_is_valid_asyncapi_3() -> None:
    assert document()["asyncapi"] == "3.0.0"
    assert faults(document()) == []


def test_schema_rejects_a_wrong_document() -> None:
    assert faults(document() | {"channels": {"native": {"address": 7}}})


def test_every_reference_resolves() -> None:
    references = list(_references(document()))
    assert len(references) > 100
    for reference in references:
        assert resolve(reference)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (found for name, found in value.items() if name == "$ref")
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _references(part)


def test_every_message_belongs_to_an_operation() -> None:
    listed = {(channel, name) for channel, found in document()["channels"].items() for name in found["messages"]}
    assert {(message.channel, message.name) for message in messages()} == listed
    used = set(_references(document()))
    unused = {f"#/components/{kind}/{name}" for kind in ("messages", "schemas") for name in document()["components"][kind]} - used
    # Named by x-content-schema: they describe JSON within a string.
    assert unused == {"#/components/schemas/InfraSendContent", "#/components/schemas/InfraReceiveContent"}


def test_document_lists_all_frames_of_the_server() -> None:
    found = frames_of(installed())
    assert _types("native", "receive") == set(found.clients)
    assert _types("native", "send") == {kind.partition("live.")[0] or "live" for kind in (*found.server, *found.events)}
    assert document()["components"]["schemas"]["ErrorCode"]["enum"] == found.errors


def test_every_dialect_of_a_feature_has_a_channel() -> None:
    addresses = [channel["address"] for channel in document()["channels"].values()]
    dialects = installed().every("dialects")
    assert len(dialects) >= 2
    for pattern, dialect in dialects:
        assert any(map(pattern.fullmatch, addresses)), dialect.name


def test_error_frames_carry_no_code_of_http_calls() -> None:
    codes = document()["components"]["schemas"]["ErrorCode"]["enum"]
    assert not {"no_such_stream", "too_large", "too_slow", "bad_range", "no_space"} & set(codes)
    assert {"closed", "illegal_move"} <= set(codes)


def test_written_documents_are_those_of_the_structs() -> None:
    """`make protocol` writes them."""
    for file, text in documents().items():
        assert file.read_text() == text, f"{file.name} is stale: make protocol"


def test_field_that_no_struct_has_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base = yaml.safe_load(asyncapi.BASE.read_text())
    base["components"]["messages"]["unread"]["payload"]["properties"]["surprise"] = {"type": "string"}
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    monkeypatch.setattr(asyncapi, "BASE", tmp_path / "base.yaml")
    with pytest.raises(asyncapi.Stale, match="'surprise' of unread"):
        asyncapi.document(frames_of(installed()))


def _types(channel: str, direction: str) -> set[str]:
    found = [m for m in messages() if (m.channel, m.direction) == (channel, direction) and m.is_json]
    payloads = [resolve(ref) if (ref := m.definition["payload"].get("$ref")) else m.definition["payload"] for m in found]
    return {payload["properties"]["type"]["const"] for payload in payloads}


@pytest.mark.parametrize("message", [message for message in messages() if message.examples], ids=lambda message: message.name)
def test_examples_match_their_schemas(message: Message) -> None:
    for example in message.examples:
        text = example if isinstance(example, str) else json.dumps(example)
        assert matching(message.channel, message.direction, text) == [message]


def test_schemas_of_server_frames_are_closed() -> None:
    """The server sends only the named fields; clients may send more."""
    for message in messages():
        if message.direction == "send" and message.is_json:
            assert message.refuses({"surprise": True})
            payload = message.definition["payload"]
            assert (resolve(payload["$ref"]) if "$ref" in payload else payload)["additionalProperties"] is False, message.name


# --- the server's traffic


@pytest.fixture(scope="module")
def tape(profile: Profile) -> Tape:
    """The frames of users in every dialect, on a server that drains meanwhile."""
    tape = Tape()
    with ExitStack() as exits:
        server = Server(profile)
        exits.callback(server.close)
        server.start()
        asyncio.run(_converse(server, tape))
    return tape


async def _converse(server: Server, tape: Tape) -> None:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    async with AsyncExitStack() as sockets:

        async def chat(account: Account) -> ChatClient:
            connection = tape.connection("native")
            return await sockets.enter_async_context(ChatClient(server.ws_url(), account, create_connection=connection))

        async def plain(channel: str, path: str, account: Account) -> PlainSocket:
            connection = tape.connection(channel)
            url = server.ws_url(path)
            return await sockets.enter_async_context(PlainSocket(url, headers=account.headers, create_connection=connection))

        await _native(server, await chat(ada), await chat(bob), await chat(bob), ada, bob)
        await _room(await plain("room", "/ws/chat/", ada), await plain("room", "/ws/chat/lobby/", bob), await chat(bob))
        await _infra(await plain("infra", "/infra/ws", ada), await plain("infra", "/infra/ws", bob), bob)
        last = await chat(ada)
        ending = asyncio.create_task(asyncio.to_thread(server.stop))
        await last.expect("drain", timeout=15)
        await last.expect_close(1012, timeout=15)
        await ending


async def _native(server: Server, ada: ChatClient, bob: ChatClient, away: ChatClient, ada_is: Account, bob_is: Account) -> None:
    room = await create_room(server.base_url, ada_is)
    await ada.join(room)
    await bob.join(room)
    await ada.expect("presence", room=room)
    sent = await ada.send(room, "Hello", key="hello-1")
    await ada.send(room, "Hello", key="hello-1")
    await ada.request("message.send", room=room, text="From the bridge", key="hello-2", alias="Captain")
    await bob.expect("message", room=room, alias="Captain")
    await away.expect("unread", room=room)
    await ada.request("message.edit", room=room, target=1, text="Hello, all", key="edit-1")
    await bob.request("message.react", room=room, target=1, emoji="👍", on=True, key="react-1")
    await ada.request("message.delete", room=room, target=2, key="delete-1")
    for type_ in ("message.edited", "reaction", "message.deleted"):
        await bob.expect(type_, room=room)
    await bob.request("read", room=room, upto=sent["seq"])
    await ada.expect("read", room=room)
    await bob.push("typing", room=room)
    await bob.request("activity", state="away")
    await ada.expect("typing", room=room)
    await ada.request("history", room=room, before=9)
    await ada.request("history", room=room, after=0, limit=1)
    await ada.send_to(bob_is.id, "Psst")
    await ada.send_to(bob_is.name, "By name")
    await bob.join(room, after=1)
    async with httpx.AsyncClient(base_url=server.base_url, headers=ada_is.headers) as http:
        await http.patch(f"/api/rooms/{room}", json={"title": "The bridge"})
        await ada.expect("room.updated", title="The bridge")
        other = await create_room(server.base_url, ada_is)
        await ada.expect("room.added", room=other)
        await http.delete(f"/api/rooms/{other}/members/{ada_is.id}")
        await ada.expect("room.left", room=other)
    rename = f"from accounts.models import User; User.objects.filter(id={bob_is.id}).update(username='{bob_is.name}-new')"
    await asyncio.to_thread(server.shell, rename)
    await ada.expect("user.updated")
    switch = f"from switches.models import FeatureOff; FeatureOff.objects.create(name='polls', by_id={ada_is.id})"
    await asyncio.to_thread(server.shell, switch)
    await ada.expect("features.updated")
    async with httpx.AsyncClient(base_url=server.base_url, headers=ada_is.headers) as http:
        await http.post("/api/blocks", json={"user": bob_is.id})
        await ada.expect("blocks.updated")
        await http.delete(f"/api/blocks/{bob_is.id}")
    await ada.request("ping")
    await ada.push_raw("ping")
    await ada.expect("pong", bare=True)
    await ada.push("typing", room="nowhere")
    await ada.expect_error("not_a_member")
    await bob.leave(room)
    await asyncio.to_thread(server.shell, FALL_BEHIND.format(room=room))
    await ada.expect("gap", room=room, timeout=15)
    await ada.catch_up(room, after=3)


async def _room(ada: PlainSocket, bob: PlainSocket, native: ChatClient) -> None:
    await native.join("lobby")
    for text in ('{"message": "an object"}', "a line", "/name Captain", "a line of the captain's"):
        await ada.send(text)
    heard = [await bob.receive_json() for _ in range(3)]
    assert [message.get("name") for message in heard] == [None, None, "Captain"]
    assert (await native.expect("message", room="lobby", alias="Captain"))["text"] == "a line of the captain's"
    await ada.send('{"message": " "}')
    while "error" not in await ada.receive_json():
        pass


async def _infra(ada: PlainSocket, bob: PlainSocket, bob_is: Account) -> None:
    for content in ({"text": "all"}, {"text": "you", "toUserId": bob_is.id}, {"text": "all again", "toUserId": ""}):
        await ada.send_json({"type": "demo-message-send", "content": json.dumps(content)})
    heard = {json.loads((await bob.receive_json())["content"])["text"] for _ in range(3)}
    assert heard == {"all", "you", "all again"}
    await ada.send("ping")
    while await ada.receive() != "pong":
        pass


def test_every_captured_frame_is_documented(tape: Tape) -> None:
    assert len(tape.frames) > 100
    for frame in tape.frames:
        found = matching(*frame)
        assert len(found) == 1, f"{frame} is {found or 'nothing the document knows'}"


def test_every_documented_message_is_captured(tape: Tape) -> None:
    """Those of the core: features have tests of their own."""
    seen = {f"{frame.channel}: {frame.name}" for frame in (matching(*frame)[0] for frame in tape.frames)}
    base = yaml.safe_load(asyncapi.BASE.read_text())
    core = {f"{channel}: {name}" for channel, found in base["channels"].items() for name in found["messages"]}
    assert core - seen == set()


# --- refused frames

ODD: list[Any] = [None, True, -1, 0, 1, 2**53, 2**53 + 1, 1.5, "", "x", "k" * 65, "s" * 257, "t" * 10_001, [], {}]
REFUSALS = {"bad_frame", "bad_json", "unknown_type", "too_long", "empty"}


async def test_server_and_document_refuse_the_same_frames(profile: Profile, start_server: Any) -> None:
    server: Server = start_server(LIMIT_MESSAGES_PER_S="0")
    await sign_up(server.base_url, "ada")  # the recipient of the examples
    account = await sign_up(server.base_url)
    keys = (f"fresh-{number}" for number in itertools.count())
    async with ChatClient(server.ws_url(), account) as chat:
        tried = 0
        for message in messages():
            if (message.channel, message.direction, message.is_json) != ("native", "receive", True):
                continue
            for example, (name, value) in itertools.product(message.examples, _oddities(message)):
                frame = example | ({"key": next(keys)} if "key" in example else {})
                frame = {k: v for k, v in frame.items() if k != name} if value is ... else frame | {name: value}
                errors = await _errors(chat, frame)
                wrong = message.refuses(frame)
                assert bool(wrong) == bool(errors & REFUSALS), f"{frame}: the document says {wrong}, the server {errors}"
                tried += 1
        assert tried > 400


def _oddities(message: Message) -> Iterator[tuple[str, Any]]:
    """Return the frame without each field (`...`), and with each odd value."""
    properties: Json = message.definition["payload"]["properties"]
    return itertools.product(properties, [..., *ODD])


async def _errors(chat: ChatClient, frame: Json) -> set[str]:
    """Return the error codes that one frame causes."""
    await chat.push_raw(json.dumps(frame))
    await chat.request("ping")
    while chat.pending_frames("message.sent"):
        await chat.expect("message.sent")
    found = set()
    while chat.pending_frames("error"):
        found.add((await chat.expect("error"))["code"])
    return found
