"""uvicorn's WebSocket protocol in a third of the memory.

Most sockets are idle for hours. Its behaviour is unchanged, except that one timer sends all pings. Its state is stored more
compactly.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from server.websocket.heartbeat import wheel

# Shared by all writable sockets. No task ever waits for it, so it belongs to no event loop.
WRITABLE = asyncio.Event()
WRITABLE.set()


class Inbox:
    """Events for the app.

    An asyncio.Queue has three deques of 760 bytes, for several readers and a bound.
    """

    __slots__ = ("_events", "_reader")

    def __init__(self) -> None:
        self._events: list[ASGIReceiveEvent] = []
        self._reader: asyncio.Future[None] | None = None

    def empty(self) -> bool:
        return not self._events

    def put_nowait(self, event: ASGIReceiveEvent) -> None:
        self._events.append(event)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def get_nowait(self) -> ASGIReceiveEvent:
        """Return the oldest event.

        Raises IndexError if there is none.
        """
        return self._events.pop(0)

    def filled(self) -> asyncio.Future[None]:
        """Return a future for the next event.

        For one reader at a time, of an empty inbox.
        """
        self._reader = asyncio.get_running_loop().create_future()
        return self._reader


class CompactProtocol(WebSocketsSansIOProtocol):
    # The base class's attributes. It has more than 30, the limit for shared keys, so each instance had its own dictionary.
    __slots__ = (
        "app", "app_state", "asgi_version", "client", "close_sent", "close_timeout", "close_timer", "config", "conn",
        "connections", "curr_msg_data_type", "default_headers", "disconnected", "frames", "handshake_complete",
        "handshake_initiated", "initial_response", "last_ping_rtt", "logger", "loop", "pending_ping_payload",
        "ping_interval", "ping_sent_at", "ping_timeout", "ping_timer", "pong_timer", "queue", "read_paused", "request",
        "response", "root_path", "scheme", "scope", "server", "slot", "tasks", "transport", "writable",
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.queue: Any = Inbox()
        # Its slot in the heartbeat wheel, while it has one.
        self.slot: int | None = None
        self.writable = WRITABLE

    def start_keepalive(self) -> None:
        if self.ping_interval:
            self.slot = wheel(self.ping_interval).add(self)

    def stop_keepalive(self) -> None:
        if self.slot is not None and self.ping_interval:
            wheel(self.ping_interval).discard(self, self.slot)
            self.slot = None
        self.pending_ping_payload = None

    def on_heartbeat(self, payload: bytes, ping: bytes) -> None:
        """Ping the peer, or drop it if it has not answered the previous ping."""
        if self.ping_suspended():
            return
        if self.pending_ping_payload is not None:
            self.stop_keepalive()
            self.keepalive_timeout()
        elif not self.close_sent and not self.transport.is_closing():
            self.pending_ping_payload = payload
            self.write_ping(ping)

    def ping_suspended(self) -> bool:
        """Return whether another limit currently bounds the peer's silence."""
        return False

    def write_ping(self, ping: bytes) -> None:
        self.transport.write(ping)

    def handle_pong(self, event: Frame) -> None:
        self.on_pong(bytes(event.data))

    def on_pong(self, payload: bytes) -> None:
        """Accept the pong of the pending ping; ignore late and unsolicited ones."""
        if payload == self.pending_ping_payload:
            self.pending_ping_payload = None

    def pause_writing(self) -> None:
        self.writable = asyncio.Event()

    def resume_writing(self) -> None:
        self.writable.set()
        self.writable = WRITABLE

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        event.data = b""  # the parser keeps the last frame until the next one arrives

    def handle_text(self, event: Frame) -> None:
        super().handle_text(event)
        event.data = b""

    def handle_bytes(self, event: Frame) -> None:
        super().handle_bytes(event)
        event.data = b""

    def take(self) -> ASGIReceiveEvent:
        """Take the next event from a filled inbox, as the base class's `receive` does."""
        message: ASGIReceiveEvent = self.queue.get_nowait()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self.transport.resume_reading()
        return message

    def forget_request(self) -> None:
        """Free the request and the response.

        They are unused once the handshake is answered.
        """
        self.request = self.response = None  # type: ignore[assignment]

    def forget_scope(self) -> None:
        """Empty the scope.

        The app has read it, and the suspended coroutines keep the dictionary itself.
        """
        self.scope.clear()  # type: ignore[attr-defined]
