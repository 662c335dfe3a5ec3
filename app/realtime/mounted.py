"""Serve the plain Channels consumers of features: `Feature.websocket_urlpatterns`.

Such a socket is one of the hub's: credentials, limits, revocation, drain and metrics are those of /ws/. What is said on it is
the consumer's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from django.contrib.auth import get_user_model
from django.urls import Resolver404
from django.urls.resolvers import RegexPattern, URLResolver

from core import metrics
from core.errors import BadCredentials, Close, SocketRefused
from core.features import installed
from db import database
from db.database import DatabaseUnavailable
from realtime.dialects.base import Dialect
from realtime.send_queue import MAX_AGE_S, Batch
from realtime.socket import Socket

logger = structlog.get_logger(__name__)

# How long a consumer may go on after its socket was closed.
CLOSE_S = 10.0

Scope = dict[str, Any]
Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]


class ConsumerDialect(Dialect):
    """The hub sends nothing of its own to a consumer's socket."""

    name = "consumer"


class ConsumerQueue:
    """The send queue between a consumer and the server.

    The hub may close the socket at any time, and nothing follows a close frame.
    """

    writer = None

    def __init__(self, send: Send) -> None:
        self._send = send
        self._accepted = self._closed = False
        # Since when the server has not taken the consumer's message.
        self._since: float | None = None
        self.consumer: asyncio.Task[None] | None = None

    async def send(self, event: Event) -> None:
        """Send an ASGI event of the consumer."""
        if self._closed:
            return
        self._accepted = self._accepted or event["type"] == "websocket.accept"
        self._closed = event["type"] == "websocket.close"
        if self._closed and "code" in event:
            metrics.CLOSED.labels(int(event["code"])).inc()
        self._since = time.monotonic()
        try:
            await self._send(event)
        finally:
            self._since = None

    def push(self, batch: Batch) -> bool:
        """Do nothing: the socket has joined no room."""
        return True

    def above_high_water(self) -> bool:
        return False

    async def drain(self) -> None:
        """Do nothing: the consumer waits for the server by itself."""

    def overdue(self, now: float) -> bool:
        return self._since is not None and now - self._since > MAX_AGE_S

    async def close(self, code: int, reason: str) -> None:
        """Close the socket, then end a consumer that goes on without it."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(OSError, RuntimeError):  # the peer has disconnected
                if not self._accepted:  # a browser sees the code only of an open socket
                    await self._send({"type": "websocket.accept"})
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        if self.consumer is not None:
            await asyncio.wait([self.consumer], timeout=CLOSE_S)
            self.consumer.cancel()


@functools.cache
def _resolver() -> URLResolver:
    return URLResolver(RegexPattern(r"^/"), list(installed().every("websocket_urlpatterns")))


def has_consumer(path: str) -> bool:
    """Return whether a feature has mounted a consumer at a path."""
    try:
        _resolver().resolve(path)
    except Resolver404:
        return False
    return True


async def serve(scope: Scope, socket: Socket, receive: Receive) -> None:
    """Run the consumer of a registered socket until it ends."""
    queue: Any = socket.send_queue
    match = _resolver().resolve(scope["path"])
    socket.state["consumer"] = match.func
    try:
        user = await database.run(_user, socket.user.id)
        await socket.hub.register(socket)
        route = {"args": match.args, "kwargs": match.kwargs}
        scope = {**scope, "user": user, "url_route": route}
        running = match.func(scope, _receive(socket, receive), queue.send)
        queue.consumer = asyncio.get_running_loop().create_task(running)
        await _ended(queue.consumer)
    except SocketRefused as refusal:
        socket.close_soon(refusal.close_code, refusal.reason)
    except DatabaseUnavailable:
        socket.close_soon(Close.RESTART, "the database is away")
    except Exception:
        logger.exception("a consumer failed", path=scope["path"])
        socket.close_soon(Close.INTERNAL, "internal error")
    if socket.closing is not None:
        await socket.closing


async def _ended(consumer: asyncio.Task[None]) -> None:
    """Wait for a consumer's end, and raise its error."""
    try:
        await asyncio.wait([consumer])
    finally:
        consumer.cancel()
    if not consumer.cancelled():
        consumer.result()


def _receive(socket: Socket, receive: Receive) -> Receive:
    """Return the consumer's `receive`.

    It returns the connect that was read already, then frames within LIMIT_MESSAGES_PER_S.
    """
    connect: list[Event] = [{"type": "websocket.connect"}]

    async def receiving() -> Event:
        if connect:
            return connect.pop()
        while True:
            event = await receive()
            if event["type"] != "websocket.receive":
                return event
            metrics.FRAMES_IN.add(1, "consumer")
            if socket.frame_limiter.take() and not socket.closed:
                return event
            socket.close_soon(Close.RATE_ABUSE, "too many frames")

    return receiving


def _user(user: int) -> Any:
    found = get_user_model().objects.filter(pk=user, is_active=True).first()
    if found is None:
        raise BadCredentials("unknown user")
    return found
