"""The send queue of one socket, bounded in bytes and in age.

Above the bound the socket is closed with 4008.

There are two implementations. Under our worker frames go straight to the transport, whose buffer is the queue. On any other
ASGI server, on Django's test client and for compressed frames, there is a deque, and a task while the deque is not empty.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from core.framing import encode_text_frame
from core.limits import LIMITS, Limits
from realtime.send_buffer_budget import SendBufferBudget

# High-water mark: above it no more frames of the socket are handled, so replies keep to the client's reading speed.
HIGH_WATER_BYTES = 262_144
MAX_AGE_S = 15.0


class Batch:
    """Frames for many sockets; each form is encoded once, on first use."""

    __slots__ = ("framed", "texts")

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        # Filled on first use.
        self.framed = b""

    @property
    def size(self) -> int:
        """Return the length of all texts, in characters."""
        return sum(map(len, self.texts))

    def frame(self) -> bytes:
        """Encode the texts as whole WebSocket frames."""
        self.framed = encode_text_frame(self.texts[0]) if len(self.texts) == 1 else b"".join(map(encode_text_frame, self.texts))
        return self.framed


class FrameWriter(Protocol):
    """Writes whole frames to one socket."""

    def write_frames(self, frames: bytes, /) -> int:
        """Write frames.

        Return the unsent bytes; above Limits.send_queue_bytes the socket must be closed.
        """


class SendQueue(Protocol):
    """The send queue of one connection.

    `push` never waits; it returns False if the reader is too slow and the socket must be closed.
    """

    @property
    def writer(self) -> FrameWriter | None:
        """Return the frame writer if `push` does nothing else.

        Large rooms write to it directly.
        """

    def push(self, batch: Batch) -> bool: ...
    def above_high_water(self) -> bool:
        """Return whether more than HIGH_WATER_BYTES are unsent."""

    async def drain(self) -> None:
        """Wait until the queue is empty or the reader has disconnected."""

    def overdue(self, now: float) -> bool: ...
    async def close(self, code: int, reason: str) -> None: ...


class BufferedUntilAccept:
    """Buffers frames until the handshake is answered.

    So a socket can join its rooms before the answer.
    A client of a dialect without a greeting counts as joined once the socket is open, and must miss nothing from then on.
    """

    __slots__ = ("_batches", "_most", "_released", "_send_queue", "_size")
    writer = None

    def __init__(self, send_queue: SendQueue, limits: Limits = LIMITS) -> None:
        self._send_queue, self._most = send_queue, limits.send_queue_bytes
        self._batches: list[Batch] = []
        self._size = 0
        self._released = asyncio.Event()

    def push(self, batch: Batch) -> bool:
        if self._released.is_set():
            return self._send_queue.push(batch)
        self._size += batch.size
        if self._size <= self._most:
            self._batches.append(batch)
        return self._size <= self._most

    def above_high_water(self) -> bool:
        return False  # no frame is handled before the handshake is answered

    async def drain(self) -> None:
        return

    def overdue(self, now: float) -> bool:
        return self._send_queue.overdue(now)

    async def close(self, code: int, reason: str) -> None:
        await self._released.wait()
        await self._send_queue.close(code, reason)

    def release(self) -> SendQueue:
        """Send the buffered frames; return the send queue to use from here on."""
        self._released.set()
        for batch in self._batches:
            self._send_queue.push(batch)
        self._batches = []
        return self._send_queue


class TransportSendQueue:
    """Writes to the transport in the scope extension `hubbub.socket` of our server."""

    __slots__ = ("_most", "socket", "writer")

    def __init__(self, socket: Any, send_budget: SendBufferBudget, limits: Limits = LIMITS) -> None:
        self.socket, self._most = socket, limits.send_queue_bytes
        self.writer: FrameWriter = socket
        socket.on_unsent = send_budget.record

    def push(self, batch: Batch) -> bool:
        waiting: int = self.socket.write_frames(batch.framed or batch.frame())
        return waiting <= self._most

    def above_high_water(self) -> bool:
        return self.socket.paused_at is not None and self.socket.unsent() > HIGH_WATER_BYTES

    async def drain(self) -> None:
        await self.socket.writable.wait()

    def overdue(self, now: float) -> bool:
        return bool(self.socket.stalled_for(now) > MAX_AGE_S)

    async def close(self, code: int, reason: str) -> None:
        self.socket.close_with(code, reason)


class AsgiSendQueue:
    """The send queue for any ASGI server."""

    __slots__ = ("_closed", "_most", "_queue", "_send", "_since", "_size", "_task")
    writer = None

    def __init__(self, send: Callable[[dict[str, Any]], Awaitable[None]], limits: Limits = LIMITS) -> None:
        self._send, self._most = send, limits.send_queue_bytes
        self._queue: deque[str] = deque()
        self._size = 0
        self._since = 0.0
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def push(self, batch: Batch) -> bool:
        if self._closed:
            return True
        if not self._queue:
            self._since = time.monotonic()
        self._queue.extend(batch.texts)
        self._size += batch.size
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._drain())
        return self._size <= self._most

    def above_high_water(self) -> bool:
        return self._size > HIGH_WATER_BYTES

    async def drain(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})

    def overdue(self, now: float) -> bool:
        return bool(self._queue) and now - self._since > MAX_AGE_S

    async def close(self, code: int, reason: str) -> None:
        self._closed = True
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=1)
            self._task.cancel()
        try:
            async with asyncio.timeout(1):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (TimeoutError, OSError, RuntimeError):
            return  # the peer has disconnected or does not read; the server drops the connection on return

    async def _drain(self) -> None:
        while self._queue:
            text = self._queue.popleft()
            self._size -= len(text)
            self._since = time.monotonic()
            try:
                await self._send({"type": "websocket.send", "text": text})
            except (OSError, RuntimeError):
                self._closed = True
                self._queue.clear()
