"""Every socket path: invalid frames close their own socket."""

import asyncio
import random
import secrets
import struct
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.realtime.conftest import Witness
from tests.support.chat_client import Account
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server

pytestmark = pytest.mark.once

FRAME_LIMIT = 262_144
PATHS = ["/ws/", "/ws", "/ws/chat/ROOM/", "/ws/chat/ROOM", "/ws/chat/", "/ws/chat", "/chat/ROOM/", "/chat/ROOM"]
PATHS += ["/infra/ws", "/infra/ws/"]

NOT_UTF8 = {
    "no start": b"\xff",
    "cut short": "永".encode()[:-1],
    "overlong": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "beyond Unicode": b"\xf5\x80\x80\x80",
    "in a frame": b'{"type":"ping","id":"\xe9"}',
}


@pytest.fixture(params=PATHS)
async def socket(request: pytest.FixtureRequest, plain: Any, ada: Account, witness: Witness) -> PlainSocket:
    """A socket at each path, in the witness's room if the path names one."""
    opened: PlainSocket = await plain(request.param.replace("ROOM", witness.room), ada)
    return opened


async def test_binary_frame_is_refused(socket: PlainSocket) -> None:
    await socket.send(b"\x00\x01")
    await socket.expect_close(1003)


@pytest.mark.parametrize("data", NOT_UTF8.values(), ids=NOT_UTF8.keys())
async def test_invalid_utf8_closes_with_1007(plain: Any, ada: Account, witness: Witness, data: bytes) -> None:
    for path in ("/ws/", f"/ws/chat/{witness.room}/", "/infra/ws"):
        socket = await plain(path, ada)
        await socket.send_text_bytes(data)
        await socket.expect_close(1007)


async def test_invalid_utf8_closes_at_every_path(socket: PlainSocket) -> None:
    await socket.send_text_bytes(b"\xff\xfe")
    await socket.expect_close(1007)


BAD_TEXT = b"\x81\x82\0\0\0\0\xff\xfe"
PING = b"\x89\x82\0\0\0\0hi"


@pytest.mark.parametrize(
    "segment",
    [BAD_TEXT + PING, BAD_TEXT + BAD_TEXT, PING + BAD_TEXT + PING, BAD_TEXT + b"\x88\x80\0\0\0\0", BAD_TEXT + b"\xff\xff"],
    ids=["ping behind", "another behind", "ping on both sides", "close behind", "garbage behind"],
)
async def test_frames_after_invalid_utf8_are_dropped(plain: Any, ada: Account, witness: Witness, segment: bytes) -> None:
    for path in ("/ws/", f"/ws/chat/{witness.room}/", "/infra/ws"):
        socket = await plain(path, ada)
        await socket.write(segment)
        await socket.expect_close(1007)


@pytest.mark.parametrize(
    "early", [BAD_TEXT, PING, PING * 100, BAD_TEXT + PING, b"\xff" * 200_000], ids=lambda early: str(len(early))
)
async def test_early_frames_wait_for_the_handshake_answer(server: Server, ada: Account, witness: Witness, early: bytes) -> None:
    """Frames wait for the answer to their handshake.

    A failure before it must not raise in the server.
    """
    head = f"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token {ada.token}\r\nConnection: Upgrade\r\n"
    head += "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    for pause_s in (0.0, 0.0005, 0.002):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head.encode())
        await asyncio.sleep(pause_s)
        writer.write(early)
        with suppress(ConnectionError, asyncio.IncompleteReadError):  # dropped before its answer
            assert (await asyncio.wait_for(reader.readexactly(12), 10)) == b"HTTP/1.1 101"
        writer.transport.abort()


async def test_frame_one_byte_too_large_is_closed(socket: PlainSocket) -> None:
    await socket.send("a" * (FRAME_LIMIT + 1))
    await socket.expect_close(1009)


async def test_frame_of_exactly_the_limit_is_accepted(socket: PlainSocket) -> None:
    await socket.send("a" * FRAME_LIMIT)
    await asyncio.wait_for(await socket.socket.ping(), 5)
    assert socket.socket.close_code is None


async def test_too_large_sum_of_fragments_is_closed(socket: PlainSocket) -> None:
    await socket.send(["a" * (FRAME_LIMIT // 2), "a" * (FRAME_LIMIT // 2), "a"])
    await socket.expect_close(1009)


async def test_message_in_many_fragments_is_accepted(plain: Any, ada: Account) -> None:
    native = await plain("/ws/", ada)
    await native.receive_type("hello")
    await native.send(['{"type":', "", '"ping"', ',"id":', "4", "}"])
    # The lobby is busy, of which the socket may be told in between.
    assert await native.receive_type("pong") == {"type": "pong", "re": 4}
    infra = await plain("/infra/ws", ada)
    await infra.send(["p", "in", "g"])
    assert await infra.receive() == "pong"


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x02hi",  # not masked
        b"\x83\x80\0\0\0\0",  # an undefined opcode
        b"\xf1\x80\0\0\0\0",  # reserved bits
        b"\x80\x80\0\0\0\0",  # a continuation without a start
        b"\x09\x80\0\0\0\0",  # a ping in fragments
        b"\x89\xfe\x00\x7e\0\0\0\0" + b"a" * 126,  # a ping too long
        b"\x88\x81\0\0\0\0a",  # a close code of one byte
    ],
    ids=["unmasked", "opcode", "reserved", "continuation", "fragmented ping", "long ping", "half close code"],
)
async def test_a_broken_frame_ends_its_own_socket(plain: Any, ada: Account, witness: Witness, data: bytes) -> None:
    for path in ("/ws/", f"/ws/chat/{witness.room}/", "/infra/ws"):
        socket = await plain(path, ada)
        await socket.write(data)
        await socket.expect_close(1002)


async def test_frame_length_of_2_to_the_62_is_closed_at_once(plain: Any, ada: Account, witness: Witness) -> None:
    socket = await plain("/ws/", ada)
    await socket.write(b"\x81\xff" + struct.pack("!Q", 2**62) + b"\0\0\0\0" + b"a" * 1000)
    await socket.expect_close(1009)


async def test_connection_may_end_within_a_frame(plain: Any, ada: Account, witness: Witness) -> None:
    for path in PATHS:
        socket = await plain(path.replace("ROOM", witness.room), ada)
        await socket.write(b"\x81\xfe\x0f\xff\0\0\0\0" + b"a" * 100)
        socket.socket.transport.abort()


async def test_connection_may_end_within_the_handshake(server: Server, ada: Account, witness: Witness) -> None:
    for path in PATHS * 3:
        head = f"GET {path.replace('ROOM', witness.room)} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token {ada.token}\r\n"
        head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head.encode() + b"dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        await asyncio.sleep(random.random() * 0.01)
        writer.transport.abort()


async def test_malformed_handshake_is_refused(server: Server, witness: Witness) -> None:
    for data in (b"\0" * 1000, b"GET\r\n\r\n", b"GET /ws/ HTTP/9.9\r\n\r\n", b"GET /ws/ HTTP/1.1\r\n" + b"A: b\r\n" * 20_000):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        with suppress(ConnectionError, TimeoutError):  # the server may wait for more of some of it
            writer.write(data)
            await asyncio.wait_for(reader.read(100), 0.5)
        writer.transport.abort()


async def test_endless_pings_close_their_socket_only(socket: PlainSocket) -> None:
    """Control frames belong to the transport.

    Each is answered or closes its socket, without delaying others.
    """
    try:
        for _ in range(20):
            await asyncio.gather(*[await socket.socket.ping(secrets.token_bytes(8)) for _ in range(50)])
    except ConnectionClosed:
        assert socket.socket.close_code == 4009


@pytest.mark.parametrize(
    "path", ["/", "/ws/nowhere", "/ws//", "/ws/chat/a/b/", "/infra", "/chat//", "/api/me", "/healthz", "/WS/"]
)
async def test_handshake_at_an_unknown_path_is_refused(plain: Any, ada: Account, path: str) -> None:
    await (await plain(path, ada)).expect_close(4004)


async def test_every_path_refuses_missing_credentials(server: Server, plain: Any) -> None:
    for path in PATHS:
        await (await plain(path.replace("ROOM", "lobby"))).expect_close(4001)
