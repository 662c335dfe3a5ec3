"""/ws/: each wrong frame gets its documented error and closes nothing."""

import json
from typing import Any

import pytest

from tests.conftest import Connect
from tests.support.chat_client import Account, ChatClient, Refused, create_room, sign_up
from tests.support.server import Server

pytestmark = pytest.mark.once

TEXT_LIMIT = 10_000
FRAME_LIMIT = 262_144
ASTRAL = "\N{PERSON WITH BALL}"

NOT_JSON = {
    "a word": "hello",
    "nothing": "",
    "a blank": " ",
    "a brace": "{",
    "half a frame": '{"type":"ping"',
    "two frames": '{"type":"ping"}{"type":"ping"}',
    "single quotes": "{'type':'ping'}",
    "a comma at the end": '{"type":"ping",}',
    "a raw NUL": '{"type":"pi\0ng"}',
    "a control character in a string": '{"type":"ping","id":"\n"}',
    "NaN": '{"type":"ping","id":NaN}',
    "a bad escape": '{"type":"ping","id":"\\x"}',
    "arrays down to the cellar": "[" * 100_000,
    "objects down to the cellar": '{"a":' * 50_000,
}
WRONG_SHAPE = {
    "a number": "1",
    "null": "null",
    "a string": '"ping"',
    "an array": '[{"type":"ping"}]',
    "no type": "{}",
    "a type that is no string": '{"type":1}',
    "a type of null": '{"type":null}',
    "closed nesting": "[" * 500 + "]" * 500,
    "room missing": '{"type":"room.join"}',
    "room of the wrong type": '{"type":"room.join","room":7}',
    "room an object": '{"type":"room.join","room":{}}',
    "room empty": '{"type":"room.join","room":""}',
    "after negative": '{"type":"room.join","room":"lobby","after":-1}',
    "after a string": '{"type":"room.join","room":"lobby","after":"1"}',
    "after a fraction": '{"type":"room.join","room":"lobby","after":1.5}',
    "after a truth": '{"type":"room.join","room":"lobby","after":true}',
    "after huge": '{"type":"room.join","room":"lobby","after":1' + "0" * 400 + "}",
    "after beyond 64 bits": '{"type":"room.join","room":"lobby","after":99999999999999999999}',
    "after infinite": '{"type":"room.join","room":"lobby","after":1e999}',
    "id an array": '{"type":"ping","id":[]}',
    "id a fraction": '{"type":"ping","id":1.5}',
    "id a truth": '{"type":"ping","id":true}',
    "neither room nor to": '{"type":"message.send","key":"k","text":"hi"}',
    "both room and to": '{"type":"message.send","key":"k","text":"hi","room":"lobby","to":1}',
    "no key": '{"type":"message.send","room":"lobby","text":"hi"}',
    "key empty": '{"type":"message.send","room":"lobby","text":"hi","key":""}',
    "key a number": '{"type":"message.send","room":"lobby","text":"hi","key":1}',
    "key of 65": json.dumps({"type": "message.send", "room": "lobby", "text": "hi", "key": "k" * 65}),
    "key with NUL": '{"type":"message.send","room":"lobby","text":"hi","key":"a\\u0000b"}',
    "no text": '{"type":"message.send","room":"lobby","key":"k"}',
    "text a number": '{"type":"message.send","room":"lobby","key":"k","text":1}',
    "text null": '{"type":"message.send","room":"lobby","key":"k","text":null}',
    "text with NUL": '{"type":"message.send","room":"lobby","key":"k","text":"a\\u0000b"}',
    "text a lone surrogate": '{"type":"message.send","room":"lobby","key":"k","text":"\\ud83d"}',
    "text surrogates turned round": '{"type":"message.send","room":"lobby","key":"k","text":"\\ude00\\ud83d"}',
    "key a lone surrogate": '{"type":"message.send","room":"lobby","key":"\\udfff","text":"hi"}',
    "to a fraction": '{"type":"message.send","to":1.5,"key":"k","text":"hi"}',
    "to an object": '{"type":"message.send","to":{"id":1},"key":"k","text":"hi"}',
    "to zero": '{"type":"message.send","to":0,"key":"k","text":"hi"}',
    "to negative": '{"type":"message.send","to":-4,"key":"k","text":"hi"}',
    "to beyond 64 bits": '{"type":"message.send","to":99999999999999999999,"key":"k","text":"hi"}',
    "history without a direction": '{"type":"history","room":"lobby"}',
    "history both ways": '{"type":"history","room":"lobby","before":5,"after":1}',
    "history of nothing": '{"type":"history","room":"lobby","before":5,"limit":0}',
    "history of 201": '{"type":"history","room":"lobby","before":5,"limit":201}',
    "read without upto": '{"type":"read","room":"lobby"}',
    "read negative": '{"type":"read","room":"lobby","upto":-1}',
    "leave nowhere": '{"type":"room.leave"}',
    "typing nowhere": '{"type":"typing"}',
}
UNKNOWN_TYPES = [
    "",
    "nonsense",
    "message",
    "hello",
    "message.sent",
    "PING",
    " ping",
    "x" * 10_000,
    "привет",
    "__class__",
    "type\0",
]
NO_SUCH_ROOMS = ["nobody-made-this", "with space", "a/b", "dm-1", "x" * 65, "\N{PERSON WITH BALL}", "..", "%00", "-" * 64]

FIELDS: dict[str, dict[str, Any]] = {
    "message.send": {"key": "k", "text": "hi"},
    "history": {"before": 9},
    "read": {"upto": 1},
}


@pytest.fixture
async def native(connect: Connect, stranger: Account) -> ChatClient:
    return await connect(stranger)


async def refused(chat: ChatClient, text: str, *, re: Any = None) -> dict[str, Any]:
    """Send a frame unchanged and return its error; the socket must go on."""
    await chat.push_raw(text)
    error = await chat.expect("error")
    assert set(error) == {"type", "re", "code", "message"}
    assert error["re"] == re
    assert isinstance(error["message"], str)
    assert error["message"]
    assert (await chat.request("ping"))["type"] == "pong"
    return error


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_non_json_text_is_bad_json(native: ChatClient, text: str) -> None:
    assert (await refused(native, text))["code"] == "bad_json"


@pytest.mark.parametrize("text", WRONG_SHAPE.values(), ids=WRONG_SHAPE.keys())
async def test_wrong_fields_and_types_are_a_bad_frame(native: ChatClient, text: str) -> None:
    assert (await refused(native, text))["code"] == "bad_frame"


@pytest.mark.parametrize("kind", UNKNOWN_TYPES, ids=ascii)
async def test_unknown_type_is_an_error(native: ChatClient, kind: str) -> None:
    error = await refused(native, json.dumps({"type": kind, "id": 5}), re=5)
    assert error["code"] == "unknown_type"
    assert len(error["message"]) < 500, "an error must not send a client's flood back"


@pytest.mark.parametrize("slug", NO_SUCH_ROOMS, ids=ascii)
@pytest.mark.parametrize("kind", ["room.join", "message.send", "history", "read"])
async def test_unknown_room_is_an_error(native: ChatClient, kind: str, slug: str) -> None:
    more = FIELDS.get(kind, {})
    with pytest.raises(Refused) as error:
        await native.request(kind, room=slug, **more)
    assert error.value.code == "no_such_room"


async def test_error_names_the_frame_it_answers(native: ChatClient) -> None:
    assert (await refused(native, '{"type":"room.join","id":"a string"}', re="a string"))["code"] == "bad_frame"
    assert (await refused(native, '{"id":17,"type":"room.join","room":7}', re=17))["code"] == "bad_frame"
    assert (await refused(native, '{"id":-3,"type":"nonsense"}', re=-3))["code"] == "unknown_type"


@pytest.mark.parametrize("kind", ["message.send", "history", "read"])
async def test_unjoined_public_room_is_an_error(server: Server, native: ChatClient, ada: Account, kind: str) -> None:
    slug = await create_room(server.base_url, ada)
    more = FIELDS[kind]
    with pytest.raises(Refused) as error:
        await native.request(kind, room=slug, **more)
    assert error.value.code == "not_a_member"


@pytest.mark.parametrize("kind", ["room.join", "message.send", "history", "read", "room.leave", "typing"])
async def test_private_room_is_refused_to_non_members(server: Server, native: ChatClient, ada: Account, kind: str) -> None:
    slug = await create_room(server.base_url, ada, private=True)
    more = FIELDS.get(kind, {})
    with pytest.raises(Refused) as error:
        await native.request(kind, room=slug, **more)
    assert error.value.code == "not_a_member"


async def test_direct_room_is_refused_to_others(server: Server, connect: Connect, native: ChatClient, ada: Account) -> None:
    bob = await sign_up(server.base_url)
    sent = await (await connect(ada)).send_to(bob.id, "between us")
    with pytest.raises(Refused) as error:
        await native.join(sent["room"])
    assert error.value.code == "not_a_member"


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u2003", "\u200b", "\u2800"], ids=ascii)
async def test_empty_text_is_refused(native: ChatClient, text: str) -> None:
    await native.join("lobby")
    with pytest.raises(Refused) as error:
        await native.send("lobby", text)
    assert error.value.code == "empty"


@pytest.mark.parametrize("letter", ["a", "é", "永", ASTRAL], ids=ascii)
async def test_a_text_may_have_10000_code_points_and_no_more(server: Server, connect: Connect, letter: str) -> None:
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    chat = await connect(ada)
    await chat.join(room)
    sent = await chat.send(room, letter * TEXT_LIMIT)
    assert (await chat.expect("message", seq=sent["seq"]))["text"] == letter * TEXT_LIMIT
    with pytest.raises(Refused) as error:
        await chat.send(room, letter * (TEXT_LIMIT + 1))
    assert error.value.code == "too_long"
    assert (await chat.join(room))["head"] == sent["seq"]


async def test_too_much_text_in_a_frame_of_allowed_size_is_too_long(native: ChatClient) -> None:
    await native.join("lobby")
    frame = {"type": "message.send", "id": 900, "room": "lobby", "key": "k", "text": ""}
    frame["text"] = "a" * (FRAME_LIMIT - len(json.dumps(frame)))
    assert len(json.dumps(frame)) == FRAME_LIMIT
    assert (await refused(native, json.dumps(frame), re=900))["code"] == "too_long"


async def test_too_long_alias_is_too_long(native: ChatClient) -> None:
    await native.join("lobby")
    frame: dict[str, Any] = {"room": "lobby", "text": "hi"}
    assert (await native.request("message.send", key="fits", alias="a" * 64, **frame))["seq"]
    with pytest.raises(Refused, match="too_long"):
        await native.request("message.send", key="long", alias="a" * 65, **frame)


async def test_a_key_has_at_most_64_characters(native: ChatClient) -> None:
    await native.join("lobby")
    for key in ("k", "k" * 64, ASTRAL * 64, " k ", "\\"):
        assert (await native.send("lobby", "hi", key=key))["duplicate"] is False
    with pytest.raises(Refused) as error:
        await native.send("lobby", "hi", key=ASTRAL * 65)
    assert error.value.code == "bad_frame"


@pytest.mark.parametrize("to", ["nobody-at-all", 2**53, "", "x" * 300], ids=ascii)
async def test_message_to_an_unknown_user_is_refused(native: ChatClient, to: int | str) -> None:
    with pytest.raises(Refused) as error:
        await native.send_to(to, "hi")
    assert error.value.code == ("no_such_target" if to in {"nobody-at-all", 2**53} else "bad_frame")


async def test_message_to_oneself_is_refused(connect: Connect, ada: Account) -> None:
    chat = await connect(ada)
    for me in (ada.id, ada.name):
        with pytest.raises(Refused) as error:
            await chat.send_to(me, "note to self")
        assert error.value.code == "forbidden"


async def test_one_of_two_equal_fields_counts(native: ChatClient) -> None:
    # RFC 8259 leaves the choice open: the frame counts as one of the two or is refused.
    await native.push_raw('{"type":"ping","id":1,"id":777}')
    assert (await native.expect("pong"))["re"] in {1, 777}
    await native.push_raw('{"type":"nonsense","type":"ping"}')
    assert (await native.expect("error"))["code"] in {"unknown_type", "bad_frame"}
    await native.join("lobby")
    await native.push_raw('{"type":"message.send","room":"lobby","key":"k","text":"one","text":""}')
    assert (await native.expect("error"))["code"] == "empty"


async def test_unknown_fields_are_ignored(native: ChatClient) -> None:
    assert (await native.request("ping", colour="blue", nested={"a": [1, {"b": None}]}))["type"] == "pong"


async def test_one_bad_frame_does_not_stop_the_next(native: ChatClient) -> None:
    for number in range(50):
        await native.push_raw("{" if number % 2 else '{"type":"nonsense"}')
    assert (await native.request("ping"))["type"] == "pong"
    assert [error["code"] for error in native.pending_frames("error")] == ["unknown_type", "bad_json"] * 25
