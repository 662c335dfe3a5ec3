"""The send queue is bounded in bytes and age, on any ASGI server."""

import asyncio
import time
from typing import Any

import pytest
from websockets.frames import Opcode
from websockets.protocol import CLIENT, OPEN, Protocol

from core.framing import encode_text_frame
from core.limits import LIMITS
from realtime.send_queue import HIGH_WATER_BYTES, MAX_AGE_S, AsgiSendQueue, Batch, BufferedUntilAccept

pytestmark = pytest.mark.once


class Server:
    """An ASGI server's `send` with a client that reads on command."""

    def __init__(self, *, reading: bool = True) -> None:
        self.sent: list[dict[str, Any]] = []
        self.reading = asyncio.Event()
        if reading:
            self.reading.set()

    async def send(self, message: dict[str, Any]) -> None:
        await self.reading.wait()
        self.sent.append(message)

    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_frames_go_out_in_order() -> None:
    server = Server()
    send_queue = AsgiSendQueue(server.send)
    for number in range(50):
        assert send_queue.push(Batch([f"{number}a", f"{number}b"]))
    await asyncio.sleep(0.01)
    assert server.texts() == [f"{number}{letter}" for number in range(50) for letter in "ab"]


async def test_too_many_bytes_are_reported_at_once() -> None:
    server = Server(reading=False)
    send_queue = AsgiSendQueue(server.send)
    batch = Batch(["x" * 10_000])
    pushed = 0
    while send_queue.push(batch):
        pushed += 1
        assert pushed * 10_000 <= LIMITS.send_queue_bytes + 10_000
    assert pushed * 10_000 >= LIMITS.send_queue_bytes - 10_000


async def test_old_bytes_are_overdue() -> None:
    server = Server(reading=False)
    send_queue = AsgiSendQueue(server.send)
    assert not send_queue.overdue(time.monotonic() + 1000), "no unsent bytes"
    for text in ("a", "b"):
        send_queue.push(Batch([text]))
    await settle()
    assert not send_queue.overdue(time.monotonic() + MAX_AGE_S - 1)
    assert send_queue.overdue(time.monotonic() + MAX_AGE_S + 1)
    server.reading.set()
    await settle()
    assert not send_queue.overdue(time.monotonic() + 1000)


async def test_no_frame_is_handled_above_the_high_water_mark() -> None:
    server = Server(reading=False)
    send_queue = AsgiSendQueue(server.send)
    send_queue.push(Batch(["x" * (HIGH_WATER_BYTES // 2)]))
    assert not send_queue.above_high_water()
    send_queue.push(Batch(["x" * HIGH_WATER_BYTES, "y"]))
    await settle()
    assert send_queue.above_high_water()
    reading = asyncio.create_task(send_queue.drain())
    await settle()
    assert not reading.done()
    server.reading.set()
    await asyncio.wait_for(reading, 1)
    assert not send_queue.above_high_water()


async def test_close_sends_queued_frames_first_within_a_limit() -> None:
    server = Server()
    send_queue = AsgiSendQueue(server.send)
    send_queue.push(Batch(["last words"]))
    await send_queue.close(4008, "too slow")
    assert [message["type"] for message in server.sent] == ["websocket.send", "websocket.close"]
    assert server.sent[-1]["code"] == 4008
    stuck = AsgiSendQueue(Server(reading=False).send)
    stuck.push(Batch(["never read"]))
    started = time.monotonic()
    await stuck.close(4008, "too slow")
    assert time.monotonic() - started < 4


async def test_frames_are_kept_before_the_handshake_answer() -> None:
    server = Server()
    held = BufferedUntilAccept(AsgiSendQueue(server.send))
    held.push(Batch(["one"]))
    held.push(Batch(["two", "three"]))
    closing = asyncio.create_task(held.close(4010, "revoked"))
    await settle()
    assert server.sent == []
    held.release()
    await closing
    assert server.texts() == ["one", "two", "three"]
    assert server.sent[-1] == {"type": "websocket.close", "code": 4010, "reason": "revoked"}


async def test_frames_kept_before_the_handshake_answer_are_bounded() -> None:
    held = BufferedUntilAccept(AsgiSendQueue(Server().send))
    batch = Batch(["x" * 100_000])
    assert sum(held.push(batch) for _ in range(100)) <= LIMITS.send_queue_bytes // 100_000


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
def test_text_frames_follow_rfc_6455(size: int) -> None:
    text = "é" * (size // 2) + "x" * (size % 2)
    client = Protocol(CLIENT, state=OPEN)
    client.receive_data(Batch([text, text]).frame())
    frames = client.events_received()
    assert [(frame.opcode, frame.fin, frame.data.decode()) for frame in frames] == [(Opcode.TEXT, True, text)] * 2  # type: ignore[union-attr]
    assert encode_text_frame(text)[-size:] == text.encode() or size == 0
