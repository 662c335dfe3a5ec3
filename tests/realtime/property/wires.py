"""A socket between client and process, by ASGI or on a transport."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uvicorn.config import Config
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from realtime.consumer import consume
from server.websocket.socket_protocol import SocketProtocol

if TYPE_CHECKING:
    from tests.realtime.property.client import Client
    from tests.realtime.property.process import Process

# Close codes that ask a client to reconnect; others must not occur here.
RETURN = {1012, 4008}
# The kernel makes it some 4 kB, so that few bytes are hidden between transport and client.
SMALLEST = 1


class Wire:
    """The client's side.

    `reads` is False while it leaves all bytes in the buffers.
    """

    def __init__(self, client: Client, process: Process) -> None:
        self.client, self.process = client, process
        self.open, self.reads = True, True
        self.has_stopped = False
        self.welcome = False
        process.wires.append(self)

    def say(self, frame: dict[str, Any]) -> None:
        """Send one frame to the server."""
        raise NotImplementedError

    def stop_reading(self) -> None:
        self.reads, self.has_stopped = False, True

    def resume_reading(self) -> None:
        self.reads = True

    def drop(self, *, noticed: bool) -> None:
        """Drop the connection; the server may not notice it yet."""
        self.open = False
        self.client.disconnected(self)
        if noticed:
            self.end()

    def end(self) -> None:
        """Let the server notice that the peer is gone."""
        self.open = False

    def abandon(self) -> None:
        """End the connection after the end of the process."""

    def closed(self, code: int) -> None:
        """Record the server's close frame."""
        if self.open:
            self.client.truth.seen[f"closed {code}"] += 1
            self.client.truth.hold(code in RETURN, f"{self.client} was closed with {code}")
            self.drop(noticed=True)


class AsgiWire(Wire):
    """A socket on any ASGI server: the product awaits `send`."""

    def __init__(self, client: Client, process: Process) -> None:
        super().__init__(client, process)
        self._reading = asyncio.Event()
        self._reading.set()
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        headers = [(b"authorization", f"Token {client.author.token}".encode())]
        scope = {"type": "websocket", "path": "/ws/", "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1)}
        self._in.put_nowait({"type": "websocket.connect"})
        process.run(consume(scope, self._in.get, self._send))

    def say(self, frame: dict[str, Any]) -> None:
        self._in.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    def stop_reading(self) -> None:
        super().stop_reading()
        self._reading.clear()

    def resume_reading(self) -> None:
        super().resume_reading()
        self._reading.set()

    def end(self) -> None:
        super().end()
        self._reading.set()
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1006})

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            await self._reading.wait()
        except asyncio.CancelledError:
            if message["type"] == "websocket.close" and self.open:
                self.drop(noticed=True)  # the server closes the connection if the client does not read the close frame
            raise
        if not self.open or not self.process.alive:
            return
        if message["type"] == "websocket.send":
            self.client.heard(self, json.loads(message["text"]))
        elif message["type"] == "websocket.close":
            self.closed(message["code"])


class TransportWire(Wire):
    """A socket as under our worker, over a pair of real sockets."""

    config = Config(
        consume, ws=SocketProtocol, ws_ping_interval=None, ws_per_message_deflate=False, proxy_headers=False, log_config=None
    )

    def __init__(self, client: Client, process: Process) -> None:
        super().__init__(client, process)
        if not self.config.loaded:
            self.config.load()
        self._socket, other = sockets.socketpair()
        self._socket.setblocking(False)
        other.setblocking(False)
        other.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, SMALLEST)
        self._protocol = ClientProtocol(parse_uri("ws://server/ws/"), max_size=2**22)
        request = self._protocol.connect()
        request.headers["authorization"] = f"Token {client.author.token}"
        self._protocol.send_request(request)
        self._flush()
        process.run(process.loop.connect_accepted_socket(self._serving, other))
        process.loop.add_reader(self._socket, self._arrived)

    def _serving(self) -> SocketProtocol:
        return SocketProtocol(self.config, self.process.server, {}, self.process.loop)

    def say(self, frame: dict[str, Any]) -> None:
        self._protocol.send_text(json.dumps(frame).encode())
        self._flush()

    def stop_reading(self) -> None:
        super().stop_reading()
        self._listen(None)

    def resume_reading(self) -> None:
        super().resume_reading()
        self._listen(self._arrived)

    def end(self) -> None:
        super().end()
        self.abandon()

    def abandon(self) -> None:
        self._listen(None)
        self._socket.close()

    def _listen(self, reader: Callable[[], None] | None) -> None:
        if self._socket.fileno() < 0:
            return
        self.process.loop.remove_reader(self._socket)
        if reader is not None:
            self.process.loop.add_reader(self._socket, reader)

    def _arrived(self) -> None:
        try:
            data = self._socket.recv(65_536)
        except ConnectionError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and self.open and self.process.alive:
                self._frame(event)
        if not data:
            self._lost()
        elif self._socket.fileno() >= 0:
            self._flush()

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            self.client.heard(self, json.loads(bytes(frame.data)))
        elif frame.opcode is Opcode.CLOSE:
            assert self._protocol.close_rcvd is not None
            self.closed(self._protocol.close_rcvd.code)

    def _lost(self) -> None:
        """Check an end without a close frame.

        Only a stalled reader has no room for the frame.
        """
        if self.open:
            self.client.truth.seen["cut"] += 1
            self.client.truth.hold(self.has_stopped, f"{self.client} was cut without a close frame")
            self.drop(noticed=True)
        self.abandon()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            try:
                sent = self._socket.send(data)
            except OSError:
                return  # the server has gone; its bytes are read next
            assert sent == len(data), "the server does not read a client's bytes"


WIRES = (TransportWire, AsgiWire)
