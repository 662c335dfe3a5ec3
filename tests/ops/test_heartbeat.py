"""One timer pings all sockets: each once in an interval, those that came together not together."""

import asyncio
import socket as sockets
from collections import Counter
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import Opcode

from ops.heartbeat import SLOT_S, Wheel, wheel
from ops.socket_protocol import SocketProtocol
from tests.ops.test_unanswered_ping import HANDSHAKE

MASK = b"\0\0\0\0"


class Member:
    def __init__(self) -> None:
        self.beats: list[float] = []

    def beat(self, payload: bytes, ping: bytes) -> None:
        assert ping == bytes([0x80 | Opcode.PING, len(payload)]) + payload
        self.beats.append(asyncio.get_running_loop().time())


async def test_each_has_its_beat_once_in_an_interval_and_not_all_together() -> None:
    interval = 20 * SLOT_S
    turning = Wheel(asyncio.get_running_loop(), interval)
    members = [Member() for _ in range(2_000)]
    for member in members:
        turning.add(member)
    await asyncio.sleep(2.5 * interval)
    assert {len(member.beats) for member in members} <= {1, 2, 3}
    assert sum(len(member.beats) >= 2 for member in members) > 1_900
    for member in members:
        assert all(later - earlier > 0.99 * interval for earlier, later in zip(member.beats, member.beats[1:], strict=False))
    at_once = Counter(round(member.beats[0], 2) for member in members)
    assert max(at_once.values()) < 300, "they came together"


async def test_a_wheel_without_members_rests_and_turns_again() -> None:
    turning = Wheel(asyncio.get_running_loop(), SLOT_S)
    for _ in range(2):
        member = Member()
        slot = turning.add(member)
        await asyncio.sleep(2.5 * SLOT_S)
        assert member.beats
        turning.discard(member, slot)
        await asyncio.sleep(1.5 * SLOT_S)
        assert turning._timer is None


async def test_one_that_cannot_be_pinged_takes_nobody_along() -> None:
    class Broken(Member):
        def beat(self, payload: bytes, ping: bytes) -> None:
            raise OSError

    turning = Wheel(asyncio.get_running_loop(), SLOT_S)
    members = [Broken() if number % 2 else Member() for number in range(20)]
    for member in members:
        turning.add(member)
    await asyncio.sleep(3.5 * SLOT_S)
    assert all(len(member.beats) >= 2 for member in members[::2])


async def listen(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        continue


class Peer:
    """A socket under our protocol, pinged every 0.2 s, and the peer's end of it."""

    def __init__(self) -> None:
        self.config = Config(listen, ws_ping_interval=0.2, proxy_headers=False, log_config=None)
        self.config.load()
        self.state = ServerState()

    async def __aenter__(self) -> "Peer":
        loop = asyncio.get_running_loop()
        ours, theirs = sockets.socketpair()
        theirs.setblocking(False)
        self.reader, self.writer = await asyncio.open_connection(sock=theirs)
        self.writer.write(HANDSHAKE)
        _, self.protocol = await loop.connect_accepted_socket(lambda: SocketProtocol(self.config, self.state, {}, loop), ours)
        await self.reader.readuntil(b"\r\n\r\n")
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.writer.close()
        async with asyncio.timeout(10):
            await asyncio.gather(*self.state.tasks)
        assert not self.state.connections
        assert wheel(0.2)._members == 0

    async def ping(self) -> bytes:
        """The payload of the next ping."""
        frame = await asyncio.wait_for(self.reader.readexactly(6), 5)
        assert frame[:2] == b"\x89\x04"
        return frame[2:]

    def pong(self, payload: bytes, *, opcode: int = 0x8A) -> None:
        self.writer.write(bytes([opcode, 0x80 | len(payload)]) + MASK + payload)


async def test_who_answers_stays() -> None:
    async with Peer() as peer:
        seen = set()
        for _ in range(5):
            payload = await peer.ping()
            seen.add(payload)
            peer.pong(payload)
        assert len(seen) == 5


async def test_a_pong_in_pieces_is_an_answer() -> None:
    async with Peer() as peer:
        for _ in range(3):
            payload = await peer.ping()
            for byte in bytes([0x8A, 0x84]) + MASK + payload:
                peer.writer.write(bytes([byte]))
                await asyncio.sleep(0.001)
        await peer.ping()


@pytest.mark.parametrize("answer", ["another", "empty", "none"])
async def test_who_does_not_answer_is_let_go(answer: str) -> None:
    async with Peer() as peer:
        payload = await peer.ping()
        if answer == "another":
            peer.pong(bytes(byte ^ 1 for byte in payload))
        elif answer == "empty":
            peer.pong(b"")
        close = await asyncio.wait_for(peer.reader.readexactly(4), 5)
        assert (close[0], int.from_bytes(close[2:4], "big")) == (0x88, 1011)
