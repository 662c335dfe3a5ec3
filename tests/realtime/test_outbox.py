"""What waits for a reader is bounded in bytes and in age, on any ASGI server and before the handshake is answered."""

import asyncio
import time
from typing import Any

import pytest
from websockets.frames import Opcode
from websockets.protocol import CLIENT, OPEN, Protocol

from realtime.events import frame_of
from realtime.send_queue import HALT_BYTES, MAX_AGE_S, MAX_BYTES, AsgiOutbox, Batch, HeldOutbox


class Server:
    """An ASGI server's `send`, whose client reads when it is told to."""

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
    outbox = AsgiOutbox(server.send)
    for number in range(50):
        assert outbox.push(Batch([f"{number}a", f"{number}b"]))
    await asyncio.sleep(0.01)
    assert server.texts() == [f"{number}{letter}" for number in range(50) for letter in "ab"]


async def test_too_many_bytes_are_told_at_once_and_not_waited_for() -> None:
    server = Server(reading=False)
    outbox = AsgiOutbox(server.send)
    batch = Batch(["x" * 10_000])
    pushed = 0
    while outbox.push(batch):
        pushed += 1
        assert pushed * 10_000 <= MAX_BYTES + 10_000
    assert pushed * 10_000 >= MAX_BYTES - 10_000


async def test_what_waits_too_long_is_overdue() -> None:
    server = Server(reading=False)
    outbox = AsgiOutbox(server.send)
    assert not outbox.overdue(time.monotonic() + 1000), "nothing waits"
    for text in ("a", "b"):
        outbox.push(Batch([text]))
    await settle()
    assert not outbox.overdue(time.monotonic() + MAX_AGE_S - 1)
    assert outbox.overdue(time.monotonic() + MAX_AGE_S + 1)
    server.reading.set()
    await settle()
    assert not outbox.overdue(time.monotonic() + 1000)


async def test_no_further_frame_is_handled_while_much_waits() -> None:
    server = Server(reading=False)
    outbox = AsgiOutbox(server.send)
    outbox.push(Batch(["x" * (HALT_BYTES // 2)]))
    assert not outbox.halting()
    outbox.push(Batch(["x" * HALT_BYTES, "y"]))
    await settle()
    assert outbox.halting()
    reading = asyncio.create_task(outbox.read_on())
    await settle()
    assert not reading.done()
    server.reading.set()
    await asyncio.wait_for(reading, 1)
    assert not outbox.halting()


async def test_closing_sends_what_waits_first_and_is_bounded_when_nobody_reads() -> None:
    server = Server()
    outbox = AsgiOutbox(server.send)
    outbox.push(Batch(["last words"]))
    await outbox.close(4008, "too slow")
    assert [message["type"] for message in server.sent] == ["websocket.send", "websocket.close"]
    assert server.sent[-1]["code"] == 4008
    stuck = AsgiOutbox(Server(reading=False).send)
    stuck.push(Batch(["never read"]))
    started = time.monotonic()
    await stuck.close(4008, "too slow")
    assert time.monotonic() - started < 4


async def test_before_the_handshake_is_answered_all_is_kept() -> None:
    server = Server()
    held = HeldOutbox(AsgiOutbox(server.send))
    held.push(Batch(["one"]))
    held.push(Batch(["two", "three"]))
    closing = asyncio.create_task(held.close(4010, "revoked"))
    await settle()
    assert server.sent == []
    held.release()
    await closing
    assert server.texts() == ["one", "two", "three"]
    assert server.sent[-1] == {"type": "websocket.close", "code": 4010, "reason": "revoked"}


async def test_and_bounded() -> None:
    held = HeldOutbox(AsgiOutbox(Server().send))
    batch = Batch(["x" * 100_000])
    assert sum(held.push(batch) for _ in range(100)) <= MAX_BYTES // 100_000


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
def test_frames_are_framed_as_rfc_6455_says(size: int) -> None:
    text = "é" * (size // 2) + "x" * (size % 2)
    client = Protocol(CLIENT, state=OPEN)
    client.receive_data(Batch([text, text]).frame())
    frames = client.events_received()
    assert [(frame.opcode, frame.fin, frame.data.decode()) for frame in frames] == [(Opcode.TEXT, True, text)] * 2  # type: ignore[union-attr]
    assert frame_of(text)[-size:] == text.encode() or size == 0
