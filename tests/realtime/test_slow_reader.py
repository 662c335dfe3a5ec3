"""A stalled reader is closed, delays no others, and misses nothing."""

import asyncio
import random
import socket as sockets
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.limits import LIMITS
from tests.conftest import StartServer
from tests.realtime.conftest import witnessing
from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server
from tests.support.socket_protocol import open_protocol

TEXT = "\N{GRINNING FACE}" * 10_000  # 40 kB on the wire
MESSAGES = 400  # 16 MB: more than all buffers together
MEMORY_MB = 120


async def too_slow(server: Server) -> float:
    """Return the number of sockets closed with 4008."""
    async with httpx.AsyncClient(base_url=server.base_url, timeout=10) as http:
        text = (await http.get("/metrics")).text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "hubbub_sockets_closed_total" and sample.labels["code"] == "4008":
                return float(sample.value)
    return 0


def memory_mb(server: Server) -> float:
    """Return the resident memory of all the server's processes."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in server.process.members())
    return pages * 4096 / 2**20


def narrow(server: Server) -> sockets.socket:
    """A connection with a small receive buffer.

    The server notices a stalled reader at once.
    """
    narrow = sockets.socket()
    narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", urlsplit(server.base_url).port))
    narrow.setblocking(False)
    return narrow


@pytest.fixture
async def people(unlimited: Server) -> list[Account]:
    return [await sign_up(unlimited.base_url) for _ in range(4)]


async def test_stalled_reader_is_closed_and_misses_nothing(unlimited: Server, people: list[Account]) -> None:
    server = unlimited
    writer, reader, talker, listener = people
    room = await create_room(server.base_url, writer)
    before, memory = await too_slow(server), memory_mb(server)
    stuck = [PlainSocket(server.ws_url(), headers=reader.headers, sock=narrow(server), max_queue=1) for _ in range(5)]
    for socket in stuck:
        await socket.__aenter__()
        await socket.send_json({"type": "room.join", "id": 1, "room": room})
        await socket.receive_type("room.joined")
        socket.socket.transport.pause_reading()
    async with (
        witnessing(server, await create_room(server.base_url, talker), talker, listener),
        ChatClient(server.ws_url(), writer) as chat,
        ChatClient(server.ws_url(), listener) as quick,
    ):
        await quick.join(room)
        for _ in range(MESSAGES // 10):
            await asyncio.gather(*[chat.send(room, TEXT) for _ in range(10)])
        for seq in range(1, MESSAGES + 1):  # the quick reader of the same room has all of it, in order
            await quick.expect("message", seq=seq)
        assert await too_slow(server) - before == len(stuck)
        assert memory_mb(server) - memory < MEMORY_MB
    for socket in stuck:
        socket.socket.transport.abort()
    async with ChatClient(server.ws_url(), reader) as back:
        events = await back.catch_up(room, after=0)
        assert [event["seq"] for event in events] == list(range(1, MESSAGES + 1))


@pytest.mark.once
async def test_stalled_reader_of_compressed_frames_is_closed(start_server: StartServer) -> None:
    """Compressed frames differ by socket, and wait in the portable send queue."""
    server = start_server(WS_COMPRESSION="1", LIMIT_MESSAGES_PER_S="0", LIMIT_SOCKETS_PER_USER="0")
    writer, reader, talker, listener = [await sign_up(server.base_url) for _ in range(4)]
    room = await create_room(server.base_url, writer)
    before, memory = await too_slow(server), memory_mb(server)
    stuck = [PlainSocket(server.ws_url(), headers=reader.headers, sock=narrow(server), max_queue=1) for _ in range(5)]
    for socket in stuck:
        await socket.__aenter__()
        assert socket.socket.protocol.extensions
        await socket.send_json({"type": "room.join", "id": 1, "room": room})
        await socket.receive_type("room.joined")
        socket.socket.transport.pause_reading()
    chance, sent = random.Random(4), 0
    async with (
        witnessing(server, await create_room(server.base_url, talker), talker, listener),
        ChatClient(server.ws_url(), writer) as chat,
        ChatClient(server.ws_url(), listener) as quick,
    ):
        await quick.join(room)
        while await too_slow(server) - before < len(stuck):
            assert sent < MESSAGES, "the server buffered too much"
            # Words that compress badly.
            texts = ["".join(map(chr, chance.choices(range(0x4E00, 0x9FFF), k=10_000))) for _ in range(10)]
            await asyncio.gather(*[chat.send(room, text) for text in texts])
            sent += len(texts)
        for seq in range(1, sent + 1):
            await quick.expect("message", seq=seq)
        assert await too_slow(server) - before == len(stuck)
        assert memory_mb(server) - memory < MEMORY_MB
    for socket in stuck:
        socket.socket.transport.abort()


async def test_resumed_reader_gets_code_4008(unlimited: Server, people: list[Account]) -> None:
    """A resumed reader finds all earlier frames in order, and then 4008."""
    writer, reader, _, _ = people
    room = await create_room(unlimited.base_url, writer)
    socket = PlainSocket(unlimited.ws_url(), headers=reader.headers, sock=narrow(unlimited), max_queue=1)
    async with socket, ChatClient(unlimited.ws_url(), writer) as chat:
        await socket.send_json({"type": "room.join", "id": 1, "room": room})
        await socket.receive_type("room.joined")
        socket.socket.transport.pause_reading()
        before = await too_slow(unlimited)
        for _ in range(MESSAGES // 10):
            await asyncio.gather(*[chat.send(room, TEXT) for _ in range(10)])
            if await too_slow(unlimited) > before:
                break
        socket.socket.transport.resume_reading()
        frames = await socket.expect_close(4008)
        assert frames


async def test_reader_of_many_pages_is_answered_at_its_own_pace(unlimited: Server, people: list[Account]) -> None:
    """20 of the largest pages exceed the send queue's limit.

    That is no reason to close.
    """
    writer, reader, _, _ = people
    room = await create_room(unlimited.base_url, writer)
    socket = PlainSocket(unlimited.ws_url(), headers=reader.headers, sock=narrow(unlimited), max_queue=1)
    async with socket, ChatClient(unlimited.ws_url(), writer) as chat:
        await asyncio.gather(*[chat.send(room, TEXT) for _ in range(10)])
        for number in range(20):
            await socket.send_json({"type": "room.join", "id": number, "room": room, "after": 0})
        await asyncio.sleep(1)  # time enough for all answers
        answers = [await socket.receive_type("room.joined", timeout=20) for _ in range(20)]
        assert [answer["re"] for answer in answers] == list(range(20))
        pages = [sum(len(event["text"].encode()) for event in answer["events"]) for answer in answers]
        assert sum(pages) > 4 * LIMITS.send_queue_bytes
        assert len(set(pages)) == 1


class Kernel:
    """A transport whose peer reads on command."""

    def __init__(self) -> None:
        self.waiting = 0

    def write(self, data: bytes) -> None:
        self.waiting += len(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def get_extra_info(self, _name: str) -> None:
        return None

    def is_closing(self) -> bool:
        return False


async def test_slow_reader_is_not_stalled() -> None:
    kernel = Kernel()
    peer = open_protocol(kernel)
    assert peer.stalled_for(1e9) == 0
    peer.write_frames(b"x" * 1000)
    peer.flush()
    peer.pause_writing()
    began = peer.taken_at
    for second in range(1, 30):  # a room as loud as the link is fast
        kernel.waiting -= 100
        peer.write_frames(b"x" * 100)
        assert peer.stalled_for(began + second) == 0
    for second in range(30, 50):  # from now on it reads nothing
        peer.write_frames(b"x")
        assert peer.stalled_for(began + second) == second - 29
