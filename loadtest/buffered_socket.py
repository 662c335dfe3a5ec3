"""websocket-client's socket for thousands of frames a second in one process."""

import socket
from contextlib import suppress

import gevent
import websocket

_READ_AT_ONCE = 65536
_READ_SLOWLY = 4096


class BufferedSocket(websocket.WebSocket):
    """Reads in large pieces.

    The library's two or three system calls per frame are its largest cost.
    """

    def __init__(self, slow: float = 0.0) -> None:
        """`slow`: seconds before each read, for a slow reader with a small kernel buffer."""
        options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
        if slow:
            options.append((socket.SOL_SOCKET, socket.SO_RCVBUF, _READ_SLOWLY))
        # bytes.decode checks the frames strictly; the library's own check is a loop in Python.
        super().__init__(skip_utf8_validation=True, sockopt=options)
        self.slow = slow
        self.bytes_read = 0
        self.bytes_sent = 0
        self._buffer = b""
        self._position = 0
        self.leaving = False  # we began to close, so the server's close frame is its answer
        self._close_sent = False

    def _recv(self, bufsize: int) -> bytes:
        if self._position >= len(self._buffer):
            if self.slow and self.connected:
                gevent.sleep(self.slow)
            self._buffer = super()._recv(_READ_SLOWLY if self.slow else _READ_AT_ONCE)
            self._position = 0
            self.bytes_read += len(self._buffer)
        piece = self._buffer[self._position : self._position + bufsize]
        self._position += len(piece)
        return piece

    def _send(self, data: str | bytes) -> int:
        sent: int = super()._send(data)
        self.bytes_sent += sent
        return sent

    def send_close(self, status: int = 1000, reason: str | bytes = b"") -> None:
        """Send a single close frame; errors of a disconnected peer are ignored."""
        if not self._close_sent:
            self._close_sent = True
            with suppress(OSError, websocket.WebSocketException):
                super().send_close(status, reason)

    def leave(self, status: int) -> None:
        """Begin a clean close; the peer's close frame is still to be read."""
        self.leaving = True
        self.send_close(status)

    def cut(self) -> None:
        """End the TCP connection without a close frame; wake a reading greenlet."""
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
