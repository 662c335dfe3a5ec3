"""uvicorn's WebSocket protocol with one more door: frames that are already encoded go straight to the transport.

The app finds it as scope extension `hubbub.socket`; without it (another server, a test client) it sends by ASGI.
Limits on what never reaches the app are in guarded_protocol.py (pings, pongs, fragments) and here (bytes not parsed yet).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import termios
import time
from collections.abc import Callable
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from websockets.frames import CloseCode, Opcode
from websockets.http11 import Request, Response

from core import metrics
from core.errors import Close
from core.write_coalescer import WriteCoalescer, write_coalescer
from server import tcp_options
from server.websocket.compact_protocol import LeanProtocol
from server.websocket.frame_limits import GuardedProtocol

EXTENSION = "hubbub.socket"
LINGER_S = 2.0
# Of frames that come before the handshake is answered; no client of ours sends any.
EARLY_BYTES = 65_536
# Bytes parsed before it is looked at what came of them; a read is up to 256 KiB, tens of thousands of tiny frames.
SLICE = 4096

# Messages of one read that are handled at once; what follows takes the way through the queue, where others have their turn.
AT_ONCE = 32

# Written at once when so much was collected for a socket.
COLLECTED_BYTES = 65_536


class SocketProtocol(LeanProtocol):
    #: Whether connections have what `tcp_options.tune` sets from the socket that took them.
    tuned_listeners = False
    conn: GuardedProtocol

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
        self.conn = GuardedProtocol.guarding(self.conn)
        self.coalescer = write_coalescer()
        # Set while a frame need only be collected: nothing waits in the transport, and the connection is not being closed.
        self.ready: WriteCoalescer | None = self.coalescer
        # Whole frames to be written, mostly one. They leave with this turn of the loop, or, while bytes wait in the transport,
        # once it has none.
        self.collected: bytes | list[bytes] | None = None
        # Of several frames together.
        self.collected_bytes = 0
        # Of the connection, where plain bytes may be written to it while nothing waits in the transport.
        self.fd: int | None = None
        # Monotonic time since which something waits in the transport; None while nothing does.
        self.paused_at: float | None = None
        # Monotonic time at which it was last seen that the peer had taken some of it.
        self.taken_at = 0.0
        self._waited = self._written = 0
        # Told of bytes that were written to a peer which had not read everything before.
        self.on_unsent: Callable[[SocketProtocol, int], None] | None = None
        # The app takes a text message that waits for nothing here, without queue and task. False: it is to come by `receive`.
        self.on_text: Callable[[str], bool] | None = None
        # Whether the app has handled all that came, and waits in `receive`: what comes now overtakes nothing.
        self.idle = False
        self.unparsed = bytearray()
        # Whether the peer broke the protocol; what it still sends is read and dropped.
        self.failed = False

    def upgrade_from(self, http: HttpToolsProtocol, request: Request) -> None:
        """Goes on where `http` parsed a handshake; in place of `connection_made` and of the request's bytes."""
        self.follow(http)
        self.handle_connect(request)

    def upgrade_from_checked(self, http: HttpToolsProtocol, scope: Any, response: Response) -> None:
        """As `upgrade_from`, and in place of what websockets checks and uvicorn makes of it."""
        self.follow(http)
        self.response, self.scope, self.handshake_initiated = response, scope, True
        self.queue.put_nowait({"type": "websocket.connect"})
        task = self.loop.create_task(self.run_asgi())
        task.add_done_callback(self.on_task_complete)
        self.tasks.add(task)
        self.configure()

    def follow(self, http: HttpToolsProtocol) -> None:
        self.connections.add(self)
        self.transport, self.server, self.client = http.transport, http.server, http.client
        self.scheme = "wss" if http.scheme == "https" else "ws"
        self.conn.expect_frames()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.configure()

    def configure(self) -> None:
        """What the app and the kernel are told of a socket before it is used."""
        extensions: Any = self.scope["extensions"]
        extensions[EXTENSION] = self
        sock = self.transport.get_extra_info("socket")
        encrypted = self.transport.get_extra_info("sslcontext") is not None
        # Any unsent byte pauses writing: that is the signal of a slow reader. TLS, which has a buffer of its own behind this one,
        # pauses at the limit, others above it.
        self.transport.set_write_buffer_limits(high=int(encrypted))
        if self.transport.get_write_buffer_size():
            self.pause_writing()  # what HTTP left there was told to its protocol; that it is gone will be told to this one
        if sock is not None and not encrypted:
            self.fd = sock.fileno()
        if not type(self).tuned_listeners:
            tcp_options.tune(sock)

    # --- in

    def data_received(self, data: bytes) -> None:
        if self.conn.refused is not None or self.failed:
            return
        if self.idle and self.on_text and not self.read_paused and not self.unparsed and self.conn.between_messages:
            data = self.hand_over(data, self.on_text)
            if not data:
                return
        self.unparsed += data
        if self.handshake_initiated and not self.handshake_complete and len(self.unparsed) > EARLY_BYTES:
            self.transport.abort()
            return
        self.parse()

    def hand_over(self, data: bytes, on_text: Callable[[str], bool]) -> bytes:
        """Has the app handle the messages that `data` begins with, as far as it does so at once. Returns what is left."""
        start, end = 0, len(data)
        for _ in range(AT_ONCE):
            if start == end:
                break
            found = self.conn.whole_text(data, start)
            if found is not None:
                if self.close_sent or not on_text(found[0]):
                    break
                start = found[1]
            elif (pong := self.conn.whole_pong(data, start)) is not None:
                self.on_pong(pong[0])
                start = pong[1]
            else:
                break
        return data[start:]

    def parse(self) -> None:
        """Parses what came until a message waits for the app; the rest waits with it, and reading is paused meanwhile."""
        # Frames that come before the handshake is answered wait for it: a pong may not overtake the answer.
        while (
            self.unparsed
            and not (self.failed or self.read_paused or self.transport.is_closing())
            and (self.handshake_complete or not self.handshake_initiated)
        ):
            data = bytes(self.unparsed[:SLICE])
            del self.unparsed[:SLICE]
            super().data_received(data)
            if not self.handshake_initiated and not self.unparsed:  # a request comes whole, perhaps in slices
                self.reject_handshake()
            elif self.conn.refused is CloseCode.INVALID_DATA:
                self.handle_parser_exception()
            elif self.conn.refused is not None:
                self.fail_connection(self.conn.refused)

    def handle_events(self) -> None:
        """As the base class, until one of them fails the connection."""
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
        """Answers a request that websockets refuses to parse; uvicorn would leave the connection open and silent."""
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
        # The queue may be empty now: go on with what had to wait.
        self.parse()
        return message

    def fail_connection(self, code: Close | CloseCode) -> None:
        """Reads no more from a peer that was refused, and drops it after LINGER_S: until then it may read why."""
        self.unparsed.clear()
        if not self.handshake_complete:
            self.transport.abort()
            return
        self.flush()
        self.transport.write(b"".join(self.conn.data_to_send()))
        if not self.read_paused:
            self.transport.pause_reading()
        self.read_paused = False  # or the app would resume it
        if not self.close_sent:
            metrics.CLOSED.labels(int(code)).inc()
            self.close_sent = True
            self.stop_keepalive()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": int(code), "reason": ""})
        self.linger()

    def handle_parser_exception(self) -> None:
        """Closes with the code of what was wrong, and goes on reading until the peer has it.

        Closing a connection with bytes unread makes the kernel reset it, and the reset overtakes the close frame. The end
        of what we send has the peer close its side at once; its close frame would be among what is dropped.
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
        """The peer sends no more. The transport closes itself, once the peer has taken what waits: it may never do so."""
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
        """Drops the connection after LINGER_S, should the peer not have taken by then what was sent before the end."""
        if self.close_timer is not None:
            self.close_timer.cancel()
        if not self.disconnected:
            self.close_timer = self.loop.call_later(LINGER_S, self.transport.abort)

    # --- out

    async def run_app(self, scope: Any, receive: Any, send: Any) -> None:
        """The application; the connection is closed when it returns, and what was collected must leave before."""
        try:
            await self.config.loaded_app(scope, receive, send)
        finally:
            self.flush()

    async def run_asgi(self) -> None:
        await super().run_asgi()
        if self.close_timer is None:
            self.linger()  # it failed, and nobody closed the connection

    async def send(self, message: ASGISendEvent) -> None:
        if self.failed or self.conn.refused is not None:
            raise ClientDisconnected  # it was told why, and hears no more
        if message["type"] != "websocket.accept" or message.get("headers") or message.get("subprotocol"):
            self.flush()
            await super().send(message)
        elif not self.handshake_complete:
            self.accept()
        if self.unparsed and message["type"] == "websocket.accept":
            self.parse()

    def accept(self) -> None:
        """Answers the handshake, in one write with the first frames. Raises ClientDisconnected."""
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
        self._waited, self._written = self.unread(), 0
        self.conn.writable = False

    def resume_writing(self) -> None:
        super().resume_writing()
        self.paused_at = None
        if not self.close_sent:
            self.ready = self.coalescer
        self.pending_ping_payload = None  # it reads: as good as a pong, which may still be on its way
        self.conn.writable = True
        self.flush()
        if not self.close_sent and not self.transport.is_closing():
            self.conn.late_pong()
            self.handle_ping()

    def write_frames(self, frames: bytes) -> int:
        """Collect whole frames, and write them with all others of this turn of the event loop. Returns the unsent bytes."""
        ready = self.ready
        if ready is not None:  # the way of nearly every frame
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
            # Written once the peer has taken what it has: until then they cost no call, and are shared with other sockets.
            if self.on_unsent is not None:
                self.on_unsent(self, len(frames))
        elif size >= COLLECTED_BYTES:
            self.flush()
        elif first:
            self.coalescer.add(self)
        return self.unsent()

    def append_pending(self, frames: bytes) -> int:
        """Puts `frames` behind what was collected. Returns the bytes of all that."""
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
        """Hands what was collected to the transport, in one write. Whatever else is written comes behind it."""
        frames = self.collected
        if frames is None:
            return
        self.collected = None
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        data = self.coalescer.joined(frames) if isinstance(frames, list) else frames
        left: bytes | memoryview = data
        if self.fd is not None and self.paused_at is None:
            # Nothing waits in the transport, so nothing is overtaken; its way to the same system call costs up to 1 us more.
            # What the kernel does not take, and every error, is left to it.
            try:
                taken = os.write(self.fd, data)
                if taken == len(data):
                    return
                left = memoryview(data)[taken:]  # the bytes may be many sockets'
            except OSError:
                pass
        self.transport.write(left)
        if self.paused_at is not None and self.on_unsent is not None:
            self.on_unsent(self, len(data))

    def stop_keepalive(self) -> None:
        super().stop_keepalive()
        self.ready = None  # it is being closed, or the peer is gone

    def ping_suspended(self) -> bool:
        """A peer that has not taken what was sent before cannot answer a ping behind it: the app, told of it, bounds that."""
        return self.paused_at is not None and self.on_unsent is not None and not self.transport.is_closing()

    def handle_ping(self) -> None:
        self.flush()  # no pong overtakes the answer to the handshake
        super().handle_ping()

    def write_ping(self, ping: bytes) -> None:
        self.collect(ping)

    def keepalive_timeout(self) -> None:
        """Drops a peer that left a ping unanswered.

        The base class alone waits until it has taken what was sent before: for ever, when it never reads. Until then it would
        count as present, and what waits for it as nothing, since closing transports are not measured.
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
            return  # a peer that does not read: the timer of its close drops it, which the base class would cancel
        if not self.close_sent and self.transport.is_closing():
            return  # the peer has said goodbye
        super().shutdown()
        self.linger()

    def unsent(self) -> int:
        """Bytes that wait here and in the transport, of one that is being closed, too: it keeps them until they are taken."""
        frames = self.collected
        collected = self.collected_bytes if isinstance(frames, list) else len(frames or b"")
        return collected + int(self.transport.get_write_buffer_size())

    def unread(self) -> int:
        """Bytes that the peer has not acknowledged: what waits here, in the transport and in the kernel.

        By the transport alone a slow link would seem to stand still: the kernel takes more only once much of what it has is gone.
        """
        sock = self.transport.get_extra_info("socket")
        queued = bytearray(4)
        if sock is not None and sys.platform == "linux" and not self.transport.is_closing():
            with contextlib.suppress(OSError):  # no TCP
                fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, queued)
        return self.unsent() + int.from_bytes(queued, sys.byteorder)

    def stalled_for(self, now: float) -> float:
        """Seconds for which the peer has taken nothing of what waits, by the looks of one call a second."""
        if self.paused_at is None:
            return 0.0
        waiting = self.unread()
        if waiting < self._waited + self._written:
            self.taken_at = now
        self._waited, self._written = waiting, 0
        return now - self.taken_at

    def cut(self) -> None:
        """Drops the connection with all that waits for it: the peer has not kept up, and a close frame would wait too."""
        if not self.close_sent and not self.transport.is_closing():
            metrics.CLOSED.labels(int(Close.TOO_SLOW)).inc()
        self.transport.abort()

    def close_with(self, code: int, reason: str) -> None:
        """Sends a close frame behind what is buffered; a peer that does not read is dropped after LINGER_S."""
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
