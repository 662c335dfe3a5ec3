"""/ws/chat/<room>/ and its aliases: the tutorial's JSON, and plain lines."""

import json
import secrets
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.conftest import Connect, StartServer
from tests.support.chat_client import Account, Refused, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server

TEXT_LIMIT = 10_000


@pytest.fixture
async def ada(server: Server) -> Account:
    """Each test's own: on a quick machine they send more than one person may."""
    return await sign_up(server.base_url)


async def test_message_reaches_others_and_its_sender(plain: Any, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await plain(f"/ws/chat/{room}/", ada), await plain(f"/ws/chat/{room}/", bob)
    await mine.send('{"message": "hi"}')
    for socket in (mine, theirs):
        assert await socket.receive_json() == {"message": "hi", "user": ada.name, "seq": 1}


@pytest.mark.parametrize("path", ["/ws/chat/{}/", "/ws/chat/{}", "/chat/{}/", "/chat/{}"])
async def test_every_alias_opens_the_same_room(plain: Any, connect: Connect, ada: Account, room: str, path: str) -> None:
    native = await connect(ada)
    await native.join(room)
    socket = await plain(path.format(room), ada)
    await socket.send_json({"message": path})
    assert (await native.expect("message"))["text"] == path
    assert (await socket.receive_json())["message"] == path
    await native.send(room, "from the other dialect")
    assert await socket.receive_json() == {"message": "from the other dialect", "user": ada.name, "seq": 2}


@pytest.mark.parametrize("path", ["/ws/chat/", "/ws/chat"])
async def test_path_without_a_room_is_the_lobby(plain: Any, connect: Connect, ada: Account, path: str) -> None:
    native = await connect(ada)
    await native.join("lobby")
    socket = await plain(path, ada)
    text = secrets.token_hex(8)
    await socket.send(text)
    assert (await native.expect("message", text=text))["room"] == "lobby"


async def test_room_dialect_sends_no_hello_and_no_history(plain: Any, connect: Connect, ada: Account, room: str) -> None:
    native = await connect(ada)
    await native.send(room, "before")
    socket = await plain(f"/ws/chat/{room}/", ada)
    await socket.expect_silence(0.3)
    await native.join(room)
    await native.push("typing", room=room)
    await native.request("read", room=room, upto=1)
    await socket.expect_silence(0.3)


LINES = [
    "hello",
    "  kept  ",
    "1",
    "null",
    '"quoted"',
    "[1, 2]",
    "{",
    '{"message": "hi"',
    "ping",
    "true",
    "/namely",
    "a\nb",
    "hi 永",
]


@pytest.mark.parametrize("line", LINES, ids=ascii)
async def test_non_object_text_is_a_plain_line(plain: Any, ada: Account, room: str, line: str) -> None:
    socket = await plain(f"/ws/chat/{room}/", ada)
    await socket.send(line)
    assert (await socket.receive_json())["message"] == line


async def test_trailing_line_break_is_stripped(plain: Any, ada: Account, room: str) -> None:
    socket = await plain(f"/ws/chat/{room}/", ada)
    for line in ("unix\n", "windows\r\n"):
        await socket.send(line)
        assert (await socket.receive_json())["message"] == line.strip()


NO_MESSAGE = ["{}", '{"message": 1}', '{"message": null}', '{"message": ["a"]}', '{"text": "hi"}', '{"Message": "hi"}']
BAD_TEXT = ['{"message": ""}', '{"message": "  "}', '{"message": "a\\u0000b"}', '{"message": "\\ud83d"}', "", " ", "nul\0"]
BAD_TEXT += ['{"message": "fine", "deep": ' + "[" * 50_000 + "]" * 50_000 + "}", '{"message": "fine", "large": 1e999}']


@pytest.mark.parametrize("text", [*NO_MESSAGE, *BAD_TEXT], ids=lambda text: ascii(text[:50]))
async def test_refused_line_gets_an_error_without_a_close(plain: Any, ada: Account, room: str, text: str) -> None:
    socket = await plain(f"/ws/chat/{room}/", ada)
    await socket.send(text)
    error = await socket.receive_json()
    assert isinstance(error["error"], str)
    assert error["error"]
    assert "message" not in error
    await socket.send("the first that is stored")
    assert (await socket.receive_json())["seq"] == 1


async def test_text_is_limited_exactly(plain: Any, ada: Account, room: str) -> None:
    socket = await plain(f"/ws/chat/{room}/", ada)
    for letter in ("a", "\N{GRINNING FACE}"):
        await socket.send(letter * TEXT_LIMIT)
        assert (await socket.receive_json())["message"] == letter * TEXT_LIMIT
        await socket.send_json({"message": letter * (TEXT_LIMIT + 1)})
        assert "10000" in (await socket.receive_json())["error"]


async def test_alias_is_shown_beside_the_account(plain: Any, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await plain(f"/ws/chat/{room}/", ada), await plain(f"/ws/chat/{room}/", bob)
    await mine.send("/name  Countess ")
    await mine.send("hi")
    assert await theirs.receive_json() == {"message": "hi", "user": ada.name, "seq": 1, "name": "Countess"}
    await theirs.send("hello")
    assert "name" not in await theirs.receive_json()
    await mine.receive_json()
    await mine.receive_json()
    other = await plain(f"/ws/chat/{room}/", ada)
    await other.send("another socket, another name")
    assert "name" not in await mine.receive_json()
    await mine.send_json({"message": "/name is a line's command"})
    assert (await mine.receive_json())["message"] == "/name is a line's command"


async def test_alias_equal_to_another_name_is_refused(
    plain: Any, connect: Connect, ada: Account, bob: Account, room: str
) -> None:
    mine = await plain(f"/ws/chat/{room}/", ada)
    for alike in (bob.name, bob.name.upper(), f" {bob.name}\u3164", bob.name.replace("s", "\u0455")):
        await mine.send(f"/name {alike}")
        assert "another person" in (await mine.receive_json())["error"]
    await mine.send(f"/name {ada.name}")
    await mine.send("x")
    assert (await mine.receive_json())["name"] == ada.name
    native = await connect(ada)
    await native.join(room)
    with pytest.raises(Refused, match="another person"):
        await native.request("message.send", room=room, text="hi", key="a", alias=bob.name)
    await native.request("message.send", room=room, text="hi", key="b", alias=" Captain\u202e  Ada ")
    assert (await mine.receive_json())["name"] == "Captain Ada"


async def test_invisible_alias_is_dropped(plain: Any, ada: Account, room: str) -> None:
    socket = await plain(f"/ws/chat/{room}/", ada)
    await socket.send("/name \u3164\u2800")
    await socket.send("x")
    assert "name" not in await socket.receive_json()


@pytest.mark.parametrize(
    ("name", "code"), [("x" * 65, "too_long"), ("nul\0", "bad_frame"), ("Z" + "\u0316" * 5, "bad_frame")], ids=ascii
)
async def test_bad_alias_is_refused(plain: Any, ada: Account, room: str, name: str, code: str) -> None:
    socket = await plain(f"/ws/chat/{room}/", ada)
    await socket.send("/name " + name)
    assert (await socket.receive_json())["code"] == code
    await socket.send("x")
    assert "name" not in await socket.receive_json()


@pytest.mark.parametrize("slug", ["Größe", "ΣΊΣΥΦΟΣ", "e\u0301cole", "हिन्दी", "聊天"], ids=ascii)
async def test_a_room_is_made_on_first_use_and_folded(server: Server, plain: Any, ada: Account, bob: Account, slug: str) -> None:
    slug += "-" + secrets.token_hex(4)
    mine, theirs = await plain(f"/ws/chat/{quote(slug)}/", ada), await plain(f"/chat/{quote(slug.upper())}", bob)
    await mine.send("hi")
    assert (await theirs.receive_json())["seq"] == 1
    async with httpx.AsyncClient(base_url=server.base_url, headers=ada.headers) as http:
        made = (await http.get(f"/api/rooms/{slug}")).json()
        assert (made["kind"], made["role"], made["slug"]) == ("public", "owner", made["slug"].casefold())


@pytest.mark.parametrize(
    "slug",
    [
        "a b",
        "a.b",
        "x" * 65,
        "\N{WAVING HAND SIGN}",
        "dm-1-2",
        "dm-999998-999999",
        "nul\0",
        "a/b",
        "%",
        "\N{WAVING HAND SIGN}" * 64,
    ],
    ids=ascii,
)
async def test_bad_room_name_closes_the_socket(plain: Any, ada: Account, slug: str) -> None:
    await (await plain(f"/ws/chat/{quote(slug, safe='')}/", ada)).expect_close(4004)


async def test_rooms_are_not_created_if_settings_forbid_it(start_server: StartServer) -> None:
    server = start_server(ROOMS_ON_FIRST_USE="false")
    ada = await sign_up(server.base_url)
    async with PlainSocket(server.ws_url("/ws/chat/brand-new/"), headers=ada.headers) as socket:
        await socket.expect_close(4004)
    known = await create_room(server.base_url, ada)
    for path in (f"/ws/chat/{known}/", "/ws/chat/"):
        async with PlainSocket(server.ws_url(path), headers=ada.headers) as socket:
            await socket.send("hi")
            assert (await socket.receive_json())["message"] == "hi"


async def test_private_and_direct_rooms_are_refused_to_strangers(
    server: Server, connect: Connect, plain: Any, ada: Account
) -> None:
    stranger = await sign_up(server.base_url)
    other = await sign_up(server.base_url)
    private = await create_room(server.base_url, ada, private=True)
    direct = (await (await connect(ada)).send_to(other.id, "hi"))["room"]
    for slug in (private, direct):
        await (await plain(f"/ws/chat/{slug}/", stranger)).expect_close(4004)
    member = await plain(f"/ws/chat/{direct}/", other)
    await member.send("hello")
    assert (await member.receive_json())["seq"] == 2


async def test_removed_member_is_closed_and_refused(server: Server, plain: Any, ada: Account) -> None:
    guest = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada, private=True)
    async with httpx.AsyncClient(base_url=server.base_url, headers=ada.headers) as http:
        await http.post(f"/api/rooms/{room}/members", json={"user": guest.id})
        socket = await plain(f"/ws/chat/{room}/", guest)
        await socket.send("hi")
        await socket.receive_json()
        await http.delete(f"/api/rooms/{room}/members/{guest.id}")
    await socket.expect_close(4010)
    await (await plain(f"/ws/chat/{room}/", guest)).expect_close(4004)


async def test_order_of_messages_is_the_logs(server: Server, plain: Any, room: str) -> None:
    people = [await sign_up(server.base_url) for _ in range(3)]
    sockets = [await plain(f"/ws/chat/{room}/", person) for person in people]
    for number in range(10):
        for socket in sockets:
            await socket.send(json.dumps({"message": str(number)}))
    for socket in sockets:
        assert [(await socket.receive_json())["seq"] for _ in range(30)] == list(range(1, 31))
