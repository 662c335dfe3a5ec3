"""Serve one socket: check credentials, read frames, write frames.

No ORM and no channels dispatch here.

connect → path → handshake limit → credentials → register → dialect.open → accept → frames … → close → unregister
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from core import metrics, state
from core.client_network import client_network
from core.errors import Close, RateAbuse, RoomRefused, SocketRefused
from core.logging import about
from core.pace import slow_refusal
from core.refusals import note_refusal
from db.database import DatabaseUnavailable
from realtime import hub as hubs
from realtime import mounted
from realtime.mounted import ConsumerDialect, ConsumerQueue, has_consumer
from realtime.nginx_drain import instance_of
from realtime.ports import dialect_by, dialect_for, domains
from realtime.send_queue import AsgiSendQueue, BufferedUntilAccept, SendQueue, TransportSendQueue
from realtime.socket import Socket

# Frames handled in a row. One read can bring thousands of tiny frames, and handling them does not yield.
FRAMES_IN_A_ROW = 32
# The client has done with it. After a lost connection it comes back.
CLOSED_BY_CLIENT = (1000, 1001)

logger = structlog.get_logger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def consume(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a WebSocket: the ASGI application of every WebSocket path."""
    if (await receive())["type"] != "websocket.connect":
        return
    hub = hubs.current()
    if state.draining:
        note_refusal("drain", "this process hands its sockets over", "DRAIN_SECONDS")
        await _refuse(send, _restart("service restart"))
        return
    try:
        socket = await _admit(scope, send, hub)
    except SocketRefused as refusal:
        await slow_refusal(_network(scope))
        await _refuse(send, refusal)
        return
    except DatabaseUnavailable:
        await _refuse(send, _restart("the database is away"))
        return
    except Exception:
        logger.exception("a handshake failed")
        await _refuse(send, SocketRefused("internal error"))
        return
    try:
        if isinstance(socket.send_queue, ConsumerQueue):
            await mounted.serve(scope, socket, receive)
        else:
            await _serve(scope, socket, receive, send)
    finally:
        socket.closed = True
        await hub.unregister(socket)


def _network(scope: Scope) -> str:
    return client_network((scope.get("client") or ("?", 0))[0])


async def _refuse(send: Send, refusal: SocketRefused) -> None:
    """Accept, then close: a browser sees the close code only of an open socket."""
    metrics.CLOSED.labels(int(refusal.close_code)).inc()
    with contextlib.suppress(OSError):  # the peer has disconnected already
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": int(refusal.close_code), "reason": refusal.reason})


async def _admit(scope: Scope, send: Send, hub: hubs.Hub) -> Socket:
    """Authenticate the handshake and register the socket.

    Raises SocketRefused or DatabaseUnavailable.
    """
    found = dialect_for(scope["path"]) or ((ConsumerDialect, "") if has_consumer(scope["path"]) else None)
    if found is None:
        raise RoomRefused("nothing is served at this path")
    address = _network(scope)
    if not hub.handshakes.take(address):
        note_refusal("handshakes", address, "LIMIT_HANDSHAKES_PER_S")
        raise RateAbuse("too many handshakes from this address")
    user, credential = await domains().authenticate(scope)
    room = found[1]
    dialect = dialect_by(credential, found[0])
    mounts = dialect is ConsumerDialect
    queue: SendQueue = ConsumerQueue(send) if mounts else BufferedUntilAccept(_send_queue(scope, send, hub), hub.limits)
    socket = Socket(hub, user, credential, queue)
    socket.nginx = instance_of(scope)
    about(socket)
    socket.dialect = dialect(socket, room)
    if not mounts and (writer := _frame_writer(scope)) is not None:
        writer.on_text = socket.on_text
    return socket


async def _serve(scope: Scope, socket: Socket, receive: Receive, send: Send) -> None:
    try:
        await socket.hub.register(socket)
        ended = socket.hub.registry.ended
        ended[socket] = set()
        try:
            await socket.dialect.open()
        finally:
            del ended[socket]
        await _accept(socket, send)
        _forget(scope)
        handled = 0
        while (event := await receive())["type"] == "websocket.receive":
            handled += 1
            if handled % FRAMES_IN_A_ROW == 0:
                await asyncio.sleep(0)
            if "rest" in event or not socket.closed:
                await _handle(socket, event)
            del event  # otherwise an idle socket keeps its last message in memory
        if not socket.closed:
            await (socket.dialect.closed() if event.get("code") in CLOSED_BY_CLIENT else socket.dialect.lost())
    except SocketRefused as refusal:
        socket.close_soon(refusal.close_code, refusal.reason)
    except DatabaseUnavailable:
        socket.close_soon(Close.RESTART, "the database is away")
    except Exception:
        logger.exception("a socket failed", dialect=socket.dialect.name)
        socket.close_soon(Close.INTERNAL, "internal error")
    if socket.closing is not None:
        await _accept(socket, send)
        await socket.closing
        await _until_disconnect(receive)


async def _handle(socket: Socket, event: dict[str, Any]) -> None:
    """Handle one ASGI event of the socket.

    The event has a text, or the rest of a text that our server began to handle.
    """
    rest: Awaitable[None] | None = event.get("rest")
    if rest is None:
        if event.get("text") is None:
            socket.close_soon(Close.UNEXPECTED_BINARY, "binary frames are not expected here")
            return
        rest = socket.receive(event["text"])
    if rest is not None:
        await rest
    if socket.send_queue.above_high_water():
        await socket.send_queue.drain()


async def _accept(socket: Socket, send: Send) -> None:
    """Accept the handshake, once.

    From here on the client counts as connected.
    """
    if isinstance(socket.send_queue, BufferedUntilAccept):
        with contextlib.suppress(OSError):  # `receive` reports a client that has disconnected
            await send({"type": "websocket.accept"})
        socket.send_queue = socket.send_queue.release()
        for room in socket.rooms.values():
            room.released(socket)


async def _until_disconnect(receive: Receive) -> None:
    """Discard input until the peer closes, so that it reads our close frame.

    The server bounds the wait.
    """
    while (await receive())["type"] != "websocket.disconnect":
        continue


def _send_queue(scope: Scope, send: Send, hub: hubs.Hub) -> SendQueue:
    transport = _frame_writer(scope)
    if transport is None or transport.conn.extensions:  # compressed frames differ per socket and are framed by the server
        return AsgiSendQueue(send, hub.limits)
    return TransportSendQueue(transport, hub.send_budget, hub.limits)


def _frame_writer(scope: Scope) -> Any:
    """Return our server's ASGI extension (server/websocket/socket_protocol.py).

    None on other servers.
    """
    return scope.get("extensions", {}).get("hubbub.socket")


def _forget(scope: Scope) -> None:
    """Free the handshake's headers: 1.5 kB per idle socket.

    Only under our server; others may read them later.
    """
    if (writer := _frame_writer(scope)) is not None:
        writer.forget_scope()


def _restart(reason: str) -> SocketRefused:
    refusal = SocketRefused(reason)
    refusal.close_code = Close.RESTART
    return refusal
