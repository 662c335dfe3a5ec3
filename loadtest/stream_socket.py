"""The event stream with the methods of a WebSocket: a user talks through either.

It is `GET /api/stream` and `POST /api/frames`.
"""

import http.client
import json
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import websocket
from gevent.lock import BoundedSemaphore
from websocket import ABNF

_READ_AT_ONCE = 65_536
_FRAMES_S = 10.0  # for one POST


@dataclass
class Piece:
    """What the library gives as a frame."""

    data: bytes


class StreamSocket:
    """One stream.

    Reading and sending use a connection each.
    """

    def __init__(self, slow: float = 0.0) -> None:
        self.bytes_read = self.bytes_sent = 0
        self.leaving = False
        self.sock: socket.socket | None = None
        self._sending: http.client.HTTPConnection | None = None
        self._one = BoundedSemaphore(1)
        self._headers: dict[str, str] = {}
        self._buffer = b""
        self._lines: list[bytes] = []
        self._line = b""
        self._chunk = -1  # bytes left of the chunk; -1: its length comes next
        self._event = ""

    def connect(self, url: str, header: list[str], timeout: float, **options: Any) -> None:
        """Open the stream.

        Raises OSError or websocket.WebSocketException, as a WebSocket does.
        """
        parts = urlsplit(url)
        secure = parts.scheme == "wss"
        self._headers = dict(line.split(": ", 1) for line in header)
        if "host" in options:
            self._headers["Host"] = options["host"]
        port = parts.port or (443 if secure else 80)
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._sending = kind(str(parts.hostname), port, timeout=_FRAMES_S)
        plain = socket.create_connection((str(parts.hostname), port), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname) if secure else plain
        base = parts.path.removesuffix("/ws/")
        self._frames_path = f"{base}/api/frames"
        asked = {"Host": parts.netloc, "Accept": "text/event-stream"} | self._headers
        lines = [f"GET {base}/api/stream HTTP/1.1", *(f"{name}: {value}" for name, value in asked.items()), "", ""]
        self._write("\r\n".join(lines).encode())
        self._read_head()

    def _read_head(self) -> None:
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        code = int(status.split()[1])
        if code != http.client.OK:
            raise websocket.WebSocketBadStatusException("Handshake status %d %s", code, status, headers, self._buffer)
        if headers.get("transfer-encoding") != "chunked":
            raise websocket.WebSocketException("the stream is not chunked")
        self._headers["Hubbub-Stream"] = headers["hubbub-stream"]

    def settimeout(self, seconds: float) -> None:
        if self.sock is not None:
            self.sock.settimeout(seconds)

    def recv_data_frame(self, control_frame: bool = False) -> tuple[int, Piece]:  # the library's
        """Return the next frame.

        A comment counts as a pong, the event `close` as a close frame.
        """
        while True:
            try:
                line = self._next_line().decode()
            except websocket.WebSocketConnectionClosedException:
                if self.leaving:
                    return ABNF.OPCODE_CLOSE, Piece(struct.pack("!H", 1000))
                raise
            if line.startswith(":"):
                return ABNF.OPCODE_PONG, Piece(b"")
            name, _, value = line.partition(": ")
            if name == "event":
                self._event = value
            elif name == "data" and self._event == "close":
                said = json.loads(value)
                return ABNF.OPCODE_CLOSE, Piece(struct.pack("!H", said["code"]) + said["reason"].encode())
            elif name == "data":
                return ABNF.OPCODE_TEXT, Piece(value.encode())

    def send(self, data: str | bytes, opcode: int) -> None:
        """Post a frame.

        A `ping` is none: comments show that the stream is alive.
        """
        if not isinstance(data, str) or data == "ping":
            return
        with self._one:
            try:
                status, said = self._post(data.encode())
            except http.client.RemoteDisconnected:  # an idle connection that the server has closed meanwhile
                status, said = self._post(data.encode())
            except http.client.HTTPException as error:
                raise websocket.WebSocketException(f"POST failed: {error}") from error
        if status != http.client.ACCEPTED:
            raise websocket.WebSocketException(f"POST answered {status}: {said[:200]!r}")

    def _post(self, body: bytes) -> tuple[int, bytes]:
        assert self._sending is not None
        try:
            self._sending.request("POST", self._frames_path, body, self._headers | {"Content-Type": "application/json"})
            answer = self._sending.getresponse()
            said = answer.read()
        except BaseException:
            self._sending.close()  # the next request opens it anew
            raise
        self.bytes_sent += len(body)
        return answer.status, said

    def leave(self, status: int) -> None:
        """End the stream; its end is still to be read."""
        self.leaving = True
        self.cut()

    def cut(self) -> None:
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)

    def shutdown(self) -> None:
        for each in (self.sock, self._sending):
            if each is not None:
                each.close()
        self.sock = None

    def _write(self, data: bytes) -> None:
        assert self.sock is not None
        self.sock.sendall(data)
        self.bytes_sent += len(data)

    def _fill(self) -> None:
        if self.sock is None:
            raise websocket.WebSocketConnectionClosedException("the stream is closed")
        try:
            data = self.sock.recv(_READ_AT_ONCE)
        except TimeoutError as error:
            raise websocket.WebSocketTimeoutException(str(error)) from error
        if not data:
            raise websocket.WebSocketConnectionClosedException("the stream has ended")
        self.bytes_read += len(data)
        self._buffer += data

    def _next_line(self) -> bytes:
        """Return the next line that is not empty.

        An empty one ends an event.
        """
        while not self._lines:
            for piece in self._pieces():
                *whole, self._line = (self._line + piece).split(b"\n")
                self._lines += whole
        line = self._lines.pop(0)
        if not line:
            self._event = ""
            return self._next_line()
        return line

    def _pieces(self) -> Iterator[bytes]:
        """Yield the bodies of the chunks that have arrived, reading until there is one."""
        self._fill_if_needed()
        while self._buffer:
            if self._chunk < 0:
                size, found, rest = self._buffer.partition(b"\r\n")
                if not found:
                    return
                if not size:  # the end of the chunk before
                    self._buffer = rest
                    continue
                self._chunk, self._buffer = int(size.split(b";")[0], 16), rest
                if self._chunk == 0:
                    raise websocket.WebSocketConnectionClosedException("the stream has ended")
            piece, self._buffer = self._buffer[: self._chunk], self._buffer[self._chunk :]
            self._chunk -= len(piece)
            if self._chunk == 0:
                self._chunk = -1
            yield piece

    def _fill_if_needed(self) -> None:
        """Read more, unless a whole chunk's length or a part of its body is there."""
        if self._chunk >= 0 or b"\r\n" not in self._buffer.lstrip(b"\r\n"):
            self._fill()
