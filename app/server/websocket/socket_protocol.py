"""uvicorn's WebSocket protocol with direct writes.

Encoded frames go straight to the transport. The app finds the protocol as scope extension `hubbub.socket`; without it
(another server, a test client) the app sends by ASGI. Limits on input that never reaches the app are in frame_limits.py (pings,
pongs, fragments) and here (unparsed bytes).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import termios
import time
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from websockets.frames import CloseCode, Opcode
from websockets.http11 import Request, Response

from core import metrics
from core.errors import Close
from core.write_coalescer import WriteCoalescer, write_coalescer
from server.websocket.compact_protocol import CompactProtocol
from server.websocket.frame_limits import LimitedProtocol

EXTENSION = "hubbub.socket"
LINGER_S = 2.0
# Frames received before the handshake is answered; our clients send none then.
EARLY_BYTES = 65_536
# Bytes parsed between two checks of the results; a read is up to 256 KiB, or tens of thousands of tiny frames.
SLICE = 4096

# Messages of one read handled without a task; the others go through the queue, so that other tasks run in between.
AT_ONCE = 32

# Collected bytes of a socket above which they are written at once.
COLLECTED_BYTES = 65_536

OnText = Callable[[str], Awaitable[None] | None]


class SocketProtocol(CompactProtocol):
    conn: LimitedProtocol

    __slots__ = (
        "_waited",
        "_written",
        "coalescer",
        "collected",
        "collected_bytes",
        "failed",
        "fd",
        "idle",
        "on_text",
        "on_unsent",
        "paused_at",
        "ready",
        "taken_at",
        "unparsed",
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.app = self.run_app
        self.conn = LimitedProtocol.limiting(self.conn)
        self.coalescer = write_coalescer()
        # Set while frames may simply be collected: the transport is empty and the connection is not closing.
        self.ready: WriteCoalescer | None = self.coalescer
        # Whole frames to write, mostly one. Written at the end of this loop iteration, or once the transport is empty.
        self.collected: bytes | list[bytes] | None = None
        # Size of several collected frames.
        self.collected_bytes = 0
        # The connection's file descriptor, if plain bytes may be written to it while the transport is empty.
        self.fd: int | None = None
        # Monotonic time since which the transport has unsent bytes; None if it has none.
        self.paused_at: float | None = None
        # Monotonic time of the last sign that the peer acknowledged some of them.
        self.taken_at = 0.0
        self._waited = self._written = 0
        # Called with the size of each write to a peer that already has unsent bytes.
        self.on_unsent: Callable[[SocketProtocol, int], None] | None = None
        # Called with a text message; the app returns an awaitable or None, and gets it back from `receive`.
        self.on_text: OnText | None = None
        # Whether the app has handled all input and waits in `receive`, so that direct handling keeps the order.
        self.idle = False
        self.unparsed = bytearray()
        # Whether the peer broke the protocol; its further input is discarded.
        self.failed = False

    def upgrade_from(self, http: HttpToolsProtocol, request: Request) -> None:
        """Take over from `http`, which parsed the handshake; replaces `connection_made`."""
        self.adopt_connection(http)
        self.handle_connect(request)

    def upgrade_from_checked(self, http: HttpToolsProtocol, scope: Any, response: Response) -> None:
        """Take over as `upgrade_from` does, with the handshake's checks already made."""
        self.adopt_connection(http)
        self.response, self.scope, self.handshake_initiated = response, scope, True
        self.queue.put_nowait({"type": "websocket.connect"})
        task = self.loop.create_task(self.run_asgi())
        task.add_done_callback(self.on_task_complete)
        self.tasks.add(task)
        self.configure()

    def adopt_connection(self, http: HttpToolsProtocol) -> None:
        self.connections.add(self)
        self.transport, self.server, self.client = http.transport, http.server, http.client
        self.scheme = "wss" if http.scheme == "https" else "ws"
        self.conn.expect_frames()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.configure()

    def configure(self) -> None:
        """Set up the socket for the app, before its first use."""
        extensions: Any = self.scope["extensions"]
        extensions[EXTENSION] = self
        sock = self.transport.get_extra_info("socket")
        encrypted = self.transport.get_extra_info("sslcontext") is not None
        # Any unsent byte pauses writing: the signal of a slow reader. TLS, with a buffer of its own behind this one, pauses at
        # the limit, other transports above it.
        self.transport.set_write_buffer_limits(high=int(encrypted))
        if self.transport.get_write_buffer_size():
            self.pause_writing()  # HTTP's unsent bytes paused its own protocol; their end will be reported to this one
        if sock is not None and not encrypted:
            self.fd = sock.fileno()

    # --- receiving

    def data_received(self, data: bytes) -> None:
        if self.conn.refused is not None or self.failed:
            return
        if self.idle and self.on_text and not self.read_paused and not self.unparsed and self.conn.between_messages:
            data = self.pass_texts(data, self.on_text)
            if not data:
                return
        self.unparsed += data
        if self.handshake_initiated and not self.handshake_complete and len(self.unparsed) > EARLY_BYTES:
            self.transport.abort()
            return
        self.parse()

    def pass_texts(self, data: bytes, on_text: OnText) -> bytes:
        """Pass leading messages of `data` to the app while it need not wait.

        Return the rest.
        """
        start, end = 0, len(data)
        for _ in range(AT_ONCE):
            if start == end:
                break
            found = self.conn.whole_text(data, start)
            if found is not None:
                if self.close_sent:
                    break
                start = found[1]
                if (rest := on_text(found[0])) is not None:
                    self.queue_rest(rest)
                    break
            elif (pong := self.conn.whole_pong(data, start)) is not None:
                self.on_pong(pong[0])
                start = pong[1]
            else:
                break
        return data[start:]

    def queue_rest(self, rest: Awaitable[None]) -> None:
        """Have the app's task await `rest` before it gets a further message."""
        self.queue.put_nowait({"type": "websocket.receive", "rest": rest})
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def parse(self) -> None:
        """Parse input until a message is ready for the app; meanwhile reading is paused."""
        # Frames received before the handshake is answered must wait: a pong may not overtake the answer.
        while (
            self.unparsed
            and not (self.failed or self.read_paused or self.transport.is_closing())
            and (self.handshake_complete or not self.handshake_initiated)
        ):
            data = bytes(self.unparsed[:SLICE])
            del self.unparsed[:SLICE]
            super().data_received(data)
            if not self.handshake_initiated and not self.unparsed:  # all slices of a request that websockets refused
                self.reject_handshake()
            elif self.conn.refused is CloseCode.INVALID_DATA:
                self.handle_parser_exception()
            elif self.conn.refused is not None:
                self.fail_connection(self.conn.refused)

    def handle_events(self) -> None:
        """Handle events as the base class does, until one fails the connection."""
        for event in self.conn.events_received():
            if self.failed:
                return
            if isinstance(event, Request):
                self.handle_connect(event)
            else:
                self.handle_frame(event)

    def handle_frame(self, frame: Any) -> None:
        match frame.opcode:
            case Opcode.TEXT:
                self.handle_text(frame)
            case Opcode.BINARY:
                self.handle_bytes(frame)
            case Opcode.CONT:
                self.handle_cont(frame)
            case Opcode.PING:
                self.handle_ping()
            case Opcode.PONG:
                self.handle_pong(frame)
            case Opcode.CLOSE:
                self.handle_close(frame)

    def reject_handshake(self) -> None:
        """Answer a request that websockets refuses to parse.

        The base class would leave the connection open.
        """
        answer = b"".join(self.conn.data_to_send())
        if answer:
            self.transport.write(answer)
        self.transport.close()

    async def receive(self) -> Any:
        self.idle = self.queue.empty()
        if self.idle:
            await self.queue.filled()
            self.idle = False
        message = self.take()
        # Resume parsing: the queue may be empty now.
        self.parse()
        return message

    def fail_connection(self, code: Close | CloseCode) -> None:
        """Stop reading from a refused peer; drop it after LINGER_S."""
        self.unparsed.clear()
        if not self.handshake_complete:
            self.transport.abort()
            return
        self.flush()
        self.transport.write(b"".join(self.conn.data_to_send()))
        if not self.read_paused:
            self.transport.pause_reading()
        self.read_paused = False  # otherwise the app would resume reading
        if not self.close_sent:
            metrics.CLOSED.labels(int(code)).inc()
            self.close_sent = True
            self.stop_keepalive()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": int(code), "reason": ""})
        self.linger()

    def handle_parser_exception(self) -> None:
        """Close with the error's code, and keep reading until the peer has received it.

        Closing a connection with unread bytes makes the kernel send a reset, which overtakes the close frame. Our end of stream
        makes the peer close its side; its close frame is discarded with its other input.
        """
        self.failed = True
        self.unparsed.clear()
        sent = self.conn.close_sent
        if sent is None or self.close_sent:
            self.transport.abort()
            return
        self.flush()
        self.transport.write(b"".join(self.conn.data_to_send()))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.close_sent = True
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": sent.code, "reason": sent.reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.linger()

    def eof_received(self) -> None:
        """Start the linger timer.

        The transport closes only after the peer has read all, perhaps never.
        """
        if not self.close_sent and not self.disconnected:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": int(CloseCode.ABNORMAL_CLOSURE), "reason": ""})
        self.flush()
        self.stop_keepalive()
        self.linger()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.on_text = None
        self.collected = None

    def linger(self) -> None:
        """Drop the connection after LINGER_S if the peer has not read everything by then."""
        if self.close_timer is not None:
            self.close_timer.cancel()
        if not self.disconnected:
            self.close_timer = self.loop.call_later(LINGER_S, self.transport.abort)

    # --- sending

    async def run_app(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the application.

        Write the collected frames before its end closes the connection.
        """
        try:
            await self.config.loaded_app(scope, receive, send)
        finally:
            self.flush()

    async def run_asgi(self) -> None:
        await super().run_asgi()
        if self.close_timer is None:
            self.linger()  # the application failed without closing the connection

    async def send(self, message: ASGISendEvent) -> None:
        if self.failed or self.conn.refused is not None:
            raise ClientDisconnected  # the close was sent already; the application need not act
        if message["type"] != "websocket.accept" or message.get("headers") or message.get("subprotocol"):
            self.flush()
            await super().send(message)
        elif not self.handshake_complete:
            self.accept()
        if self.unparsed and message["type"] == "websocket.accept":
            self.parse()

    def accept(self) -> None:
        """Answer the handshake in one write with the first frames.

        Raises ClientDisconnected.
        """
        if self.disconnected:
            raise ClientDisconnected
        headers = self.response.headers
        del headers["Date"]
        for name, value in self.default_headers:
            headers[name.decode("ascii")] = value.decode("latin-1")
        if self.transport.is_closing():
            return
        self.handshake_complete = True
        self.conn.send_response(self.response)
        self.collect(b"".join(self.conn.data_to_send()))
        self.start_keepalive()
        self.forget_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.paused_at = self.taken_at = time.monotonic()
        self.ready = None
        self._waited, self._written = self.unacked_bytes(), 0
        self.conn.writable = False

    def resume_writing(self) -> None:
        super().resume_writing()
        self.paused_at = None
        if not self.close_sent:
            self.ready = self.coalescer
        self.pending_ping_payload = None  # the peer reads, which proves as much as the pong on its way
        self.conn.writable = True
        self.flush()
        if not self.close_sent and not self.transport.is_closing():
            self.conn.late_pong()
            self.handle_ping()

    def write_frames(self, frames: bytes) -> int:
        """Collect whole frames for one write at the end of this loop iteration.

        Return the unsent bytes.
        """
        ready = self.ready
        if ready is not None:  # nearly every frame takes this branch
            if self.collected is None:
                self.collected = frames
                ready.add(self)
                return len(frames)
            size = self.append_pending(frames)
            if size < COLLECTED_BYTES:
                return size
            self.flush()
            return self.unsent()
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return 0
        if self.paused_at is not None:
            self._written += len(frames)
        return self.collect(frames)

    def collect(self, frames: bytes) -> int:
        first = self.collected is None
        size = self.append_pending(frames)
        if self.paused_at is not None:
            # Written once the peer has read its earlier bytes. Until then frames are shared with other sockets and cost no call.
            if self.on_unsent is not None:
                self.on_unsent(self, len(frames))
        elif size >= COLLECTED_BYTES:
            self.flush()
        elif first:
            self.coalescer.add(self)
        return self.unsent()

    def append_pending(self, frames: bytes) -> int:
        """Append `frames` to the collected ones.

        Return the size of all.
        """
        collected = self.collected
        if collected is None:
            self.collected = frames
            return len(frames)
        if isinstance(collected, list):
            collected.append(frames)
            self.collected_bytes += len(frames)
        else:
            self.collected, self.collected_bytes = [collected, frames], len(collected) + len(frames)
        return self.collected_bytes

    def flush(self) -> None:
        """Write the collected frames to the transport.

        Later writes come behind them.
        """
        frames = self.collected
        if frames is None:
            return
        self.collected = None
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        data = self.coalescer.joined(frames) if isinstance(frames, list) else frames
        left: bytes | memoryview = data
        if self.fd is not None and self.paused_at is None:
            # Safe, since the transport is empty; its own way to the same system call costs up to 1 us more. It gets the bytes
            # that the kernel does not accept, and handles every error.
            try:
                taken = os.write(self.fd, data)
                if taken == len(data):
                    return
                left = memoryview(data)[taken:]  # a view: many sockets may share these bytes
            except OSError:
                pass
        self.transport.write(left)
        if self.paused_at is not None and self.on_unsent is not None:
            self.on_unsent(self, len(data))

    def stop_keepalive(self) -> None:
        super().stop_keepalive()
        self.ready = None  # closing, or the peer has disconnected

    def ping_suspended(self) -> bool:
        """Return whether unsent bytes delay the peer's pong.

        The app, which knows of them, limits that time.
        """
        return self.paused_at is not None and self.on_unsent is not None and not self.transport.is_closing()

    def handle_ping(self) -> None:
        self.flush()  # a pong must not overtake the answer to the handshake
        super().handle_ping()

    def write_ping(self, ping: bytes) -> None:
        self.collect(ping)

    def keepalive_timeout(self) -> None:
        """Drop a peer that left a ping unanswered.

        The base class alone waits until the peer has read its unsent bytes: for ever, if it never reads. Meanwhile it would
        count as present, and its bytes as zero, since closing transports are not measured.
        """
        self.flush()
        if not self.close_sent and not self.transport.is_closing():
            metrics.CLOSED.labels(int(CloseCode.INTERNAL_ERROR)).inc()
        super().keepalive_timeout()
        self.linger()

    def handle_close(self, event: Any) -> None:
        self.flush()
        super().handle_close(event)
        self.linger()

    def shutdown(self) -> None:
        self.flush()
        if self.close_sent and self.unsent():
            return  # a stalled peer: its close timer drops it, and the base class would cancel that timer
        if not self.close_sent and self.transport.is_closing():
            return  # the peer has sent its close frame
        super().shutdown()
        self.linger()

    def unsent(self) -> int:
        """Return the unsent bytes here and in the transport, also while closing."""
        frames = self.collected
        collected = self.collected_bytes if isinstance(frames, list) else len(frames or b"")
        return collected + int(self.transport.get_write_buffer_size())

    def unacked_bytes(self) -> int:
        """Return the unacknowledged bytes: here, in the transport and in the kernel.

        The transport alone makes a slow link look stalled: the kernel accepts more only after it has sent much of its buffer.
        """
        sock = self.transport.get_extra_info("socket")
        queued = bytearray(4)
        if sock is not None and sys.platform == "linux" and not self.transport.is_closing():
            with contextlib.suppress(OSError):  # not a TCP socket
                fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, queued)
        return self.unsent() + int.from_bytes(queued, sys.byteorder)

    def stalled_for(self, now: float) -> float:
        """Return the seconds since the peer last acknowledged any unsent bytes.

        Call once a second.
        """
        if self.paused_at is None:
            return 0.0
        waiting = self.unacked_bytes()
        if waiting < self._waited + self._written:
            self.taken_at = now
        self._waited, self._written = waiting, 0
        return now - self.taken_at

    def evict(self) -> None:
        """Drop the connection and its unsent bytes.

        A close frame would have to wait behind them.
        """
        if not self.close_sent and not self.transport.is_closing():
            metrics.CLOSED.labels(int(Close.TOO_SLOW)).inc()
        self.transport.abort()

    def close_with(self, code: int, reason: str) -> None:
        """Send a close frame behind the unsent bytes.

        Drop a peer that has not read it after LINGER_S.
        """
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self.flush()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.linger()
