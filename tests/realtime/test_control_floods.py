"""A flood of pings, pongs or fragments closes its own socket only.

The app never sees these frames.
"""

import asyncio
import base64
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State

from core.limits import Bucket
from server.websocket.frame_limits import FRAGMENTS, LimitedProtocol
from tests.realtime.conftest import Witness
from tests.support.chat_client import Account, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server

pytestmark = pytest.mark.once

MASKED = b"\x80\0\0\0\0"
PING, PONG, TEXT_BEGINS, GOES_ON = b"\x89", b"\x8a", b"\x01", b"\x00"

#: The first bytes, and the endless frame.
FLOODS = {
    "empty pings": (b"", PING + MASKED),
    "full pings": (b"", PING + b"\xfd\0\0\0\0" + b"p" * 125),
    "pongs": (b"", PONG + MASKED),
    "empty fragments": (TEXT_BEGINS + MASKED, GOES_ON + MASKED),
    "small fragments": (TEXT_BEGINS + MASKED, GOES_ON + b"\x81\0\0\0\0a"),
    "pings between fragments": (TEXT_BEGINS + MASKED, GOES_ON + MASKED + PING + MASKED),
}
# Bytes a flood may write before it must be cut, including the kernel's buffers.
BOUND = 64 * 2**20


@pytest.fixture
async def pest(server: Server) -> Account:
    """Return a new user, without calls that count against the limits."""
    return await sign_up(server.base_url)


@pytest.fixture
async def deaf(server: Server, pest: Account) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """An accepted socket that reads nothing after the handshake's answer."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    head = f"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token {pest.token}\r\nConnection: Upgrade\r\n"
    head += (
        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(b'k' * 16).decode()}\r\n\r\n"
    )
    writer.write(head.encode())
    assert b" 101 " in await asyncio.wait_for(reader.readline(), 5)
    yield reader, writer
    writer.transport.abort()


async def flood(writer: asyncio.StreamWriter, frame: bytes) -> int:
    """Write until the connection is cut; return the number of bytes, at most BOUND."""
    chunk = frame * (262_144 // len(frame))
    written = 0
    try:
        while written < BOUND:
            writer.write(chunk)
            await asyncio.wait_for(writer.drain(), 10)
            written += len(chunk)
    except ConnectionError:
        pass
    return written


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_closes_with_4009(server: Server, pest: Account, witness: Witness, kind: str) -> None:
    first, frame = FLOODS[kind]
    async with PlainSocket(server.ws_url(), headers=pest.headers) as plain:
        await plain.write(first + frame * 2000)
        await plain.expect_close(4009)


@pytest.mark.parametrize("kind", FLOODS)
async def test_flood_without_reads_is_cut(
    deaf: tuple[asyncio.StreamReader, asyncio.StreamWriter], witness: Witness, kind: str
) -> None:
    first, frame = FLOODS[kind]
    _, writer = deaf
    writer.write(first)
    assert await flood(writer, frame) < BOUND, "the server went on reading"


@pytest.mark.parametrize("kind", FLOODS)
async def test_repeated_flood_after_reconnects_delays_no_others(
    server: Server, pest: Account, witness: Witness, kind: str
) -> None:
    first, frame = FLOODS[kind]
    for _ in range(2):
        async with AsyncExitStack() as exits:
            sockets = [await exits.enter_async_context(PlainSocket(server.ws_url(), headers=pest.headers)) for _ in range(4)]
            for plain in sockets:
                await plain.write(first + frame * (262_144 // len(frame)))
            await asyncio.gather(*[plain.expect_close(4009) for plain in sockets])


async def test_polite_pings_are_answered(server: Server, ada: Account, witness: Witness) -> None:
    async with PlainSocket(server.ws_url(), headers=ada.headers) as plain:
        for _ in range(100):
            await asyncio.wait_for(await plain.socket.ping(secrets.token_bytes(8)), 5)
            await asyncio.sleep(0.02)
        assert plain.socket.close_code is None


async def test_message_in_fifty_fragments_is_accepted(server: Server, ada: Account, witness: Witness) -> None:
    async with PlainSocket(server.ws_url(), headers=ada.headers) as plain:
        for number in range(3):
            text = f'{{"type":"ping","id":{number}}}'
            await plain.send([*text, *[" "] * (50 - len(text))])
            assert (await plain.receive_type("pong"))["re"] == number


async def test_large_message_in_fragments_of_1_kib_is_accepted(server: Server, ada: Account, witness: Witness) -> None:
    async with PlainSocket(server.ws_url(), headers=ada.headers) as plain:
        await plain.send(['{"type":"ping","id":1}', *[" " * 1024] * 255])
        assert (await plain.receive_type("pong"))["re"] == 1


async def test_many_frames_in_one_write_are_answered_in_order(server: Server, pest: Account, witness: Witness) -> None:
    """More frames than one pass parses: the rest must not wait for further bytes."""
    number = 200
    async with PlainSocket(server.ws_url(), headers=pest.headers) as plain:
        texts = [f'{{"type":"ping","id":{index}}}'.ljust(100).encode() for index in range(number)]
        await plain.write(b"".join(b"\x81" + bytes([0x80 | len(text)]) + b"\0\0\0\0" + text for text in texts))
        assert [(await plain.receive_type("pong"))["re"] for _ in range(number)] == list(range(number))


def opened() -> LimitedProtocol:
    """A connection after its handshake, without the time limit."""
    limited = LimitedProtocol(max_size=2**18)
    limited.state = State.OPEN
    limited.small_frames = Bucket(0, 0)
    return limited


def test_slow_fragments_of_a_message_are_bounded() -> None:
    limited = opened()
    for _ in range(2):  # each message has its own count
        limited.recv_frame(Frame(Opcode.TEXT, b"", fin=False))
        for _ in range(FRAGMENTS - 2):
            limited.recv_frame(Frame(Opcode.CONT, b"", fin=False))
        limited.recv_frame(Frame(Opcode.CONT, b"", fin=True))
    limited.recv_frame(Frame(Opcode.TEXT, b"", fin=False))
    for _ in range(FRAGMENTS):
        assert limited.refused is None
        limited.recv_frame(Frame(Opcode.CONT, b"", fin=False))
    assert limited.refused == CloseCode.MESSAGE_TOO_BIG
    assert limited.close_sent is not None
    assert limited.close_sent.code == CloseCode.MESSAGE_TOO_BIG


def test_resumed_reader_gets_one_pong() -> None:
    limited = opened()
    limited.writable = False
    for number in range(50):
        limited.recv_frame(Frame(Opcode.PING, str(number).encode()))
    assert limited.data_to_send() == []
    limited.writable = True
    limited.late_pong()
    limited.late_pong()
    assert limited.data_to_send() == [b"\x8a\x0249"]
