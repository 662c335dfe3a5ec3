"""A TCP proxy that can reset or refuse connections or WebSockets, or be slow."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

_CHUNK = 65_536
_DROP = 2_048
_FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Cable:
    """A proxy as a context manager; `connect_to` is its target."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._upstream: int | None = None
        self._whole = True
        self._rate: float | None = None
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self.refused = 0
        # Whether WebSockets get through, and when each did not (time.monotonic).
        self.upgrades = True
        self.refused_upgrades: list[float] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Return the address for browsers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """Return the number of open connections."""
        with self._lock:
            return len(self._ends) // 2

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.close()
        self.cut()

    def connect_to(self, port: int) -> None:
        self._upstream = port

    def cut(self) -> None:
        """Reset every connection, and every new one until `mend`."""
        with self._lock:
            self._whole = False
            for end in self._ends:
                _reset(end)
            self._ends.clear()

    def mend(self) -> None:
        self._whole = self.upgrades = True

    def slow(self, bytes_per_s: float | None) -> None:
        """Limit the bytes from the server on each connection.

        0 is nothing, None is no limit.
        """
        self._rate = bytes_per_s

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # closed
            if not self._whole or self._upstream is None:
                self.refused += 1
                _reset(near)
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._upstream), timeout=5)
            except OSError:
                _reset(near)
                continue
            far.settimeout(None)
            with self._lock:
                self._ends |= {near, far}
            for source, target, send in (
                (near, far, partial(self._forward, near, far)),
                (far, near, partial(self._trickle, near)),
            ):
                threading.Thread(target=self._pump, args=(source, target, send), daemon=True).start()

    def _forward(self, near: socket.socket, far: socket.socket, data: bytes) -> None:
        if self.upgrades or b"upgrade: websocket" not in data.lower():
            far.sendall(data)
            return
        self.refused_upgrades.append(time.monotonic())
        near.sendall(_FORBIDDEN)
        raise ConnectionRefusedError

    def _trickle(self, target: socket.socket, data: bytes) -> None:
        for start in range(0, len(data), _DROP):
            drop = data[start : start + _DROP]
            if self._rate:
                time.sleep(len(drop) / self._rate)
            while self._rate == 0 and target.fileno() >= 0:
                time.sleep(0.02)
            target.sendall(drop)

    def _pump(self, source: socket.socket, target: socket.socket, send: Callable[[bytes], None]) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                send(data)
            target.shutdown(socket.SHUT_WR)
            return
        with self._lock:
            self._ends -= {source, target}
        _reset(target)


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        # Without the shutdown a thread that waits in recv() would keep the connection alive.
        end.shutdown(socket.SHUT_RDWR)
    end.close()
