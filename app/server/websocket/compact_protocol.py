"""uvicorn's WebSocket protocol in a third of the memory: most sockets are idle, and each of their bytes is held for hours.

What it does is unchanged, but for the pings, which have one timer together; what it keeps is kept in less.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from server.websocket.heartbeat import wheel

# That of every socket which may be written to; nobody waits for it, so it belongs to no event loop.
WRITABLE = asyncio.Event()
WRITABLE.set()


class Inbox:
    """What the app is still to take. An asyncio.Queue has three deques of 760 bytes, for more than one reader and bounds."""

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
        """Raises IndexError when there is nothing."""
        return self._events.pop(0)

    def filled(self) -> asyncio.Future[None]:
        """Done with the next event. For one reader at a time, who finds the inbox empty."""
        self._reader = asyncio.get_running_loop().create_future()
        return self._reader


class LeanProtocol(WebSocketsSansIOProtocol):
    # Those of the base class. It has more than instances share the names of (30), so that each had a dictionary of its own.
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
        # In the wheel of heartbeats, while there.
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
        """One of uvicorn's two deadlines: a ping is to be answered until the next is due (`ws_ping_interval`)."""
        if self.ping_suspended():
            return
        if self.pending_ping_payload is not None:
            self.stop_keepalive()
            self.keepalive_timeout()
        elif not self.close_sent and not self.transport.is_closing():
            self.pending_ping_payload = payload
            self.write_ping(ping)

    def ping_suspended(self) -> bool:
        """Whether somebody else says now for how long the peer may be silent."""
        return False

    def write_ping(self, ping: bytes) -> None:
        self.transport.write(ping)

    def handle_pong(self, event: Frame) -> None:
        self.on_pong(bytes(event.data))

    def on_pong(self, payload: bytes) -> None:
        """A pong came; one that nobody asked for, or late, says nothing."""
        if payload == self.pending_ping_payload:
            self.pending_ping_payload = None

    def pause_writing(self) -> None:
        self.writable = asyncio.Event()

    def resume_writing(self) -> None:
        self.writable.set()
        self.writable = WRITABLE

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        event.data = b""  # the parser keeps the last frame until the next has come

    def handle_text(self, event: Frame) -> None:
        super().handle_text(event)
        event.data = b""

    def handle_bytes(self, event: Frame) -> None:
        super().handle_bytes(event)
        event.data = b""

    def take(self) -> ASGIReceiveEvent:
        """What the base class does in `receive`, once the inbox is filled."""
        message: ASGIReceiveEvent = self.queue.get_nowait()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self.transport.resume_reading()
        return message

    def forget_request(self) -> None:
        """Once the handshake is answered nothing reads the request and the response any more."""
        self.request = self.response = None  # type: ignore[assignment]

    def forget_scope(self) -> None:
        """The app has read what it wants to know of the handshake; the coroutines it was called through keep the scope itself."""
        self.scope.clear()  # type: ignore[attr-defined]
