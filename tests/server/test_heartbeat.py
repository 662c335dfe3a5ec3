"""One timer pings all sockets once in an interval, spread over the interval."""

import asyncio
import socket as sockets
from collections import Counter
from typing import Any

import pytest
from prometheus_client import REGISTRY
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import Opcode

from server.http_protocol import HttpProtocol
from server.websocket.heartbeat import SLOT_S, Wheel, wheel
from server.websocket.socket_protocol import EXTENSION, SocketProtocol
from tests.server.test_unanswered_ping import HANDSHAKE

pytestmark = pytest.mark.once

MASK = b"\x01\xf2\x83\x74"


class Member:
    def __init__(self) -> None:
        self.beats: list[float] = []

    def on_heartbeat(self, payload: bytes, ping: bytes) -> None:
        assert ping == bytes([0x80 | Opcode.PING, len(payload)]) + payload
        self.beats.append(asyncio.get_running_loop().time())


async def test_each_socket_is_pinged_once_in_a_spread_interval() -> None:
    interval = 20 * SLOT_S
    turning = Wheel(asyncio.get_running_loop(), interval)
    members = [Member() for _ in range(2_000)]
    for member in members:
        turning.add(member)
    await asyncio.sleep(2.5 * interval)
    assert {len(member.beats) for member in members} <= {1, 2, 3}
    assert sum(len(member.beats) >= 2 for member in members) > 1_900
    for member in members:
        # A beat that is late by less than a slot does not delay the next.
        assert all(
            later - earlier > interval - 1.1 * SLOT_S for earlier, later in zip(member.beats, member.beats[1:], strict=False)
        )
    at_once = Counter(round(member.beats[0], 2) for member in members)
    assert max(at_once.values()) < 300, "the pings are not spread"


async def test_empty_timer_stops_and_starts_again() -> None:
    turning = Wheel(asyncio.get_running_loop(), SLOT_S)
    for _ in range(2):
        member = Member()
        slot = turning.add(member)
        await asyncio.sleep(2.5 * SLOT_S)
        assert member.beats
        turning.discard(member, slot)
        await asyncio.sleep(1.5 * SLOT_S)
        assert turning._timer is None


async def test_failed_ping_does_not_stop_the_others() -> None:
    class Broken(Member):
        def on_heartbeat(self, payload: bytes, ping: bytes) -> None:
            raise OSError

    turning = Wheel(asyncio.get_running_loop(), SLOT_S)
    members = [Broken() if number % 2 else Member() for number in range(20)]
    for member in members:
        turning.add(member)
    await asyncio.sleep(3.5 * SLOT_S)
    assert all(len(member.beats) >= 2 for member in members[::2])


def frame(first: int, payload: bytes) -> bytes:
    """Return a client's frame."""
    masked = bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))
    return bytes([first, 0x80 | len(payload)]) + MASK + masked


class Listening:
    """Takes messages, directly if possible, like the consumer under our worker."""

    def __init__(self, *, at_once: bool) -> None:
        self.at_once, self.heard, self.later = at_once, list[str](), list[str]()

    def on_text(self, text: str) -> None:
        self.heard.append(text)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if self.at_once:
            scope["extensions"][EXTENSION].on_text = self.on_text
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            self.later.append(message["text"])


class Peer:
    """A socket under our protocol, pinged every 0.2 s, with the peer's end of it."""

    def __init__(self, *, at_once: bool = True, app: Listening | None = None) -> None:
        self.app = app or Listening(at_once=at_once)
        self.config = Config(self.app, ws=SocketProtocol, ws_ping_interval=0.2, proxy_headers=False, log_config=None)
        self.config.load()
        self.state = ServerState()

    async def __aenter__(self) -> "Peer":
        loop = asyncio.get_running_loop()
        ours, theirs = sockets.socketpair()
        theirs.setblocking(False)
        self.reader, self.writer = await asyncio.open_connection(sock=theirs)
        self.writer.write(HANDSHAKE)
        await loop.connect_accepted_socket(lambda: HttpProtocol(self.config, self.state, {}, loop), ours)
        await self.reader.readuntil(b"\r\n\r\n")
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.writer.close()
        async with asyncio.timeout(10):
            await asyncio.gather(*self.state.tasks)
        for _ in range(500):  # its connection ends a moment after the app
            if not self.state.connections:
                break
            await asyncio.sleep(0.01)
        assert not self.state.connections
        assert wheel(0.2)._members == 0

    async def ping(self) -> bytes:
        """Return the payload of the next ping."""
        ping = await asyncio.wait_for(self.reader.readexactly(6), 5)
        assert ping[:2] == b"\x89\x04"
        return ping[2:]

    def pong(self, payload: bytes) -> None:
        self.writer.write(frame(0x8A, payload))

    async def closed(self) -> int:
        """Return the code of the next close frame."""
        head = await asyncio.wait_for(self.reader.readexactly(4), 5)
        assert head[0] == 0x88
        return int.from_bytes(head[2:], "big")


@pytest.mark.parametrize("at_once", [True, False])
async def test_socket_with_pongs_stays_open(at_once: bool) -> None:
    async with Peer(at_once=at_once) as peer:
        seen = set()
        for _ in range(5):
            payload = await peer.ping()
            seen.add(payload)
            peer.pong(payload)
        assert len(seen) == 5


async def test_pong_in_pieces_counts() -> None:
    async with Peer() as peer:
        for _ in range(3):
            payload = await peer.ping()
            for byte in frame(0x8A, payload):
                peer.writer.write(bytes([byte]))
                for _ in range(2):  # both ends are on this loop: in the second iteration the byte has been read
                    await asyncio.sleep(0)
        await peer.ping()


def closed_without_a_pong() -> float:
    return REGISTRY.get_sample_value("hubbub_sockets_closed_total", {"code": "1011"}) or 0.0


@pytest.mark.parametrize("answer", ["another", "empty", "none"])
async def test_socket_without_pongs_is_closed(answer: str) -> None:
    before = closed_without_a_pong()
    async with Peer() as peer:
        payload = await peer.ping()
        if answer == "another":
            peer.pong(bytes(byte ^ 1 for byte in payload))
        elif answer == "empty":
            peer.pong(b"")
        assert await peer.closed() == 1011
        assert closed_without_a_pong() == before + 1


class Flooding(Listening):
    """Sends more than the peer reads.

    Limits the stall itself, or leaves that to the pings.
    """

    def __init__(self, *, limits_stalls: bool) -> None:
        super().__init__(at_once=False)
        self.limits_stalls = limits_stalls
        self.socket: SocketProtocol | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.socket = scope["extensions"][EXTENSION]
        if self.limits_stalls:
            self.socket.on_unsent = lambda _socket, _size: None
        await super().__call__(scope, receive, send)


@pytest.mark.parametrize("limits_stalls", [True, False])
async def test_peer_with_an_unacked_ping_is_left_to_the_app(limits_stalls: bool) -> None:
    """The app's close code gives such a peer the reason.

    A ping behind a megabyte tells it nothing.
    """
    app = Flooding(limits_stalls=limits_stalls)
    async with Peer(app=app) as peer:
        pinged = await peer.ping()
        peer.pong(pinged)
        pinged = await peer.ping()  # no answer, and no more reads from now on
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        assert app.socket is not None
        filling = b"\x82\x7f" + (4_000_000).to_bytes(8, "big") + bytes(4_000_000)
        app.socket.write_frames(filling)
        await asyncio.sleep(1.1)  # five heartbeats
        assert (app.socket.close_sent or app.socket.transport.is_closing()) is not limits_stalls
        if not limits_stalls:
            return
        assert app.socket.paused_at is not None
        peer.reader._transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await asyncio.wait_for(peer.reader.readexactly(len(filling)), 5)) == len(filling)
        for _ in range(3):
            peer.pong(await peer.ping())
        await peer.ping()
        assert await peer.closed() == 1011, "its pongs count again"


@pytest.mark.parametrize("cut", [0, 1, 2, 5, 9])
async def test_pongs_and_messages_in_one_read_are_all_handled(cut: int) -> None:
    """The last `cut` bytes arrive with the next read."""
    async with Peer() as peer:
        said = []
        for number in range(4):
            payload = await peer.ping()
            said += [f"{number} before", f"{number} after"]
            data = (
                frame(0x81, said[-2].encode()) + frame(0x8A, payload) + frame(0x81, said[-1].encode()) + frame(0x8A, b"unasked")
            )
            peer.writer.write(data[: len(data) - cut])
            await asyncio.sleep(0.02)
            peer.writer.write(data[len(data) - cut :])
        await peer.ping()
        assert peer.app.heard == said


@pytest.mark.parametrize("broken", [b"\x8a\x00", b"\xca\x80" + MASK, b"\x0a\x80" + MASK, b"\x8a\xfe\x00\x7e" + MASK + b"x" * 126])
async def test_a_broken_pong_ends_the_connection(broken: bytes) -> None:
    """Not masked, a reserved bit, not final, too long."""
    async with Peer() as peer:
        await peer.ping()
        peer.writer.write(broken)
        assert await peer.closed() == 1002
