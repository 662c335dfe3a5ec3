"""All frames of a socket in one loop iteration leave in one write, in order."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from core.framing import encode_text_frame
from core.limits import LIMITS
from core.write_coalescer import BACKLOG, SLICE, WriteCoalescer
from realtime.events import LogEvent, RoomRef
from realtime.live_room import LiveRoom
from realtime.send_queue import Batch
from server.websocket import socket_protocol
from server.websocket.socket_protocol import COLLECTED_BYTES, SocketProtocol
from tests.support.socket_protocol import open_protocol

pytestmark = pytest.mark.once


class Wire:
    """A transport that records its writes separately."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.writes.append(b"abort")

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, _name: str) -> None:
        return None


class Everything:
    """A dialect that passes every event."""

    @staticmethod
    def encode(_room: RoomRef, event: LogEvent) -> str:
        return event.text


class Somebody:
    """A joined socket that records its batches."""

    def __init__(self, pushed: list[Batch]) -> None:
        self.user, self.dialect, self.send_queue = SimpleNamespace(id=2), Everything(), self
        self.pushed, self.writer = pushed, None

    def push(self, batch: Batch) -> bool:
        self.pushed.append(batch)
        return True


def peer(coalescer: WriteCoalescer) -> tuple[SocketProtocol, list[bytes]]:
    wire = Wire()
    made: Any = open_protocol(wire)
    made.coalescer = made.ready = coalescer
    made.handle_ping = lambda: wire.write(b"pong")
    made.conn = SimpleNamespace(
        send_close=lambda _code, _reason: None, data_to_send=lambda: [b"close"], late_pong=lambda: None, writable=True
    )
    return made, wire.writes


@pytest.fixture
async def coalescer() -> WriteCoalescer:
    return WriteCoalescer(asyncio.get_running_loop())


async def iterations(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_frames_of_one_iteration_are_one_write(coalescer: WriteCoalescer) -> None:
    one, writes = peer(coalescer)
    one.write_frames(b"a")
    # The reply to a message comes in the next iteration, and leaves with the message's event.
    asyncio.get_running_loop().call_soon(one.write_frames, b"b")
    assert writes == []
    await iterations(3)
    assert writes == [b"ab"]
    one.write_frames(b"c")
    await iterations(3)
    assert writes == [b"ab", b"c"]


async def test_many_sockets_are_written_to_in_slices(coalescer: WriteCoalescer) -> None:
    peers = [peer(coalescer) for _ in range(2 * SLICE + 1)]
    for one, _ in peers:
        one.write_frames(b"x")
    written = []
    for _ in range(6):
        await asyncio.sleep(0)
        written.append(sum(len(writes) for _, writes in peers))
    assert [number for number in dict.fromkeys(written) if number] == [SLICE, 2 * SLICE, 2 * SLICE + 1]


async def test_waiting_sender_continues_below_the_low_water_mark(coalescer: WriteCoalescer) -> None:
    await coalescer.short()
    for _ in range(BACKLOG + 2 * SLICE):
        peer(coalescer)[0].write_frames(b"x")
    waiting = [asyncio.create_task(coalescer.short()) for _ in range(3)]
    await iterations(1)
    waiting.pop().cancel()
    left = []
    while not all(task.done() for task in waiting):
        left.append(len(coalescer._senders))
        await iterations(1)
    await asyncio.gather(*waiting)
    assert left[0] > BACKLOG
    assert left[-1] >= BACKLOG - 3 * SLICE, "the wait ends at the low-water mark"
    await coalescer.short()


async def test_wait_ignores_later_frames(coalescer: WriteCoalescer) -> None:
    for _ in range(2 * BACKLOG):
        peer(coalescer)[0].write_frames(b"x")
    waiting = asyncio.create_task(coalescer.short())
    for _ in range(4 + BACKLOG // SLICE):
        await iterations(1)
        for _ in range(2 * SLICE):
            peer(coalescer)[0].write_frames(b"x")
    assert waiting.done()
    assert len(coalescer._senders) > BACKLOG


async def test_failed_write_does_not_stop_other_sockets(coalescer: WriteCoalescer, monkeypatch: pytest.MonkeyPatch) -> None:
    (before, first), (broken, nothing), (after, last) = (peer(coalescer) for _ in range(3))

    def gone(_data: bytes) -> None:
        raise RuntimeError("the transport is gone")

    monkeypatch.setattr(broken.transport, "write", gone)
    for number in (b"1", b"2"):
        for one in (before, broken, after):
            one.write_frames(number)
        await iterations(3)
    assert (first, nothing, last) == ([b"1", b"2"], [], [b"1", b"2"])


async def test_large_batch_is_written_at_once(coalescer: WriteCoalescer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_protocol, "COLLECTED_BYTES", 3)
    one, writes = peer(coalescer)
    assert one.write_frames(b"ab") == 2
    assert one.write_frames(b"c") == 0
    assert writes == [b"abc"]


async def test_frames_for_a_paused_peer_are_one_write_on_resume(coalescer: WriteCoalescer) -> None:
    one, writes = peer(coalescer)
    sizes: list[int] = []
    one.on_unsent = lambda _peer, size: sizes.append(size)
    one.pause_writing()
    frames = b"x" * COLLECTED_BYTES
    assert one.write_frames(frames) == COLLECTED_BYTES
    assert one.write_frames(b"ab") == COLLECTED_BYTES + 2
    await iterations(3)
    assert writes == []
    assert isinstance(one.collected, list)
    assert one.collected[0] is frames, "many sockets may wait for the same bytes"
    assert sizes == [COLLECTED_BYTES, 2]
    one.resume_writing()
    assert writes == [frames + b"ab", b"pong"]
    one.write_frames(b"c")
    await iterations(3)
    assert writes[2:] == [b"c"]


async def test_sockets_with_equal_frames_share_their_bytes(coalescer: WriteCoalescer) -> None:
    peers = [peer(coalescer) for _ in range(4)]
    same = [b"1" * 9, b"2" * 9]
    for (one, _), frames in zip(peers, [same, same, [*same, b"3"], [same[0]]], strict=True):
        for frame in frames:
            one.write_frames(frame)
    await iterations(3)
    (first,), (second,), (longer,), (shorter,) = (writes for _, writes in peers)
    assert first is second
    assert (first, longer, shorter) == (b"".join(same), b"".join([*same, b"3"]), same[0])
    assert coalescer._last == ([], b""), "no bytes are kept"


async def test_close_frame_follows_the_collected_frames(coalescer: WriteCoalescer) -> None:
    one, writes = peer(coalescer)
    one.write_frames(b"a")
    one.close_with(1012, "")
    assert b"".join(writes) == b"aclose"
    assert one.close_timer is not None
    one.close_timer.cancel()
    assert one.write_frames(b"b") == 0
    await iterations(3)
    assert b"".join(writes) == b"aclose"


def test_room_writes_directly_to_a_frame_writer() -> None:
    room = LiveRoom(RoomRef(1, "room", direct=False))
    pushed: list[Batch] = []
    socket: Any = Somebody(pushed)
    room.add(socket, 0)
    room.deliver([LogEvent(1, "{}", author=1, key="k")], {})
    assert len(pushed) == 1
    written: list[bytes] = []

    def write_frames(frames: bytes) -> int:
        written.append(frames)
        return LIMITS.send_queue_bytes + len(written) - 1

    socket.writer = SimpleNamespace(write_frames=write_frames)
    room.released(socket)
    assert room.deliver([LogEvent(2, "{}", author=1, key="l")], {}) == (1, [])
    assert room.deliver([LogEvent(3, "{}", author=1, key="m")], {}) == (1, [socket]), "the unsent bytes exceed the limit"
    assert (len(pushed), written) == (1, [encode_text_frame("{}")] * 2)
