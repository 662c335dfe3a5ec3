"""A socket for any dialect and any bytes, without checks.

See chat_client for the native dialect.

async with PlainSocket(server.ws_url("/infra/ws"), headers=ada.headers) as socket:
    await socket.send("ping")
    assert await socket.receive() == "pong"
    await socket.send_text_bytes(b"\\xff")
    await socket.expect_close(1007)
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

_TIMEOUT = 5.0


class PlainSocket:
    """One WebSocket; closes with 1000 on leaving unless it is closed already."""

    def __init__(self, url: str, *, headers: Mapping[str, str] | Sequence[tuple[str, str]] = (), **options: Any) -> None:
        """Prepare a socket to `url`; `options` go to websockets.connect."""
        self.url = url
        self._headers = list(headers.items() if isinstance(headers, Mapping) else headers)
        self._options = {"open_timeout": 15, "close_timeout": 3, "max_size": 2**24, "ping_interval": None} | options
        self.socket: ClientConnection

    async def __aenter__(self) -> Self:
        self.socket = await connect(self.url, additional_headers=self._headers, **self._options)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.socket.close()

    async def send(self, data: str | bytes | Iterable[str]) -> None:
        """Send text, bytes as a binary frame, or several texts as fragments."""
        await self.socket.send(data)

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON."""
        await self.socket.send(json.dumps(value))

    async def send_text_bytes(self, data: bytes) -> None:
        """Send bytes as a text frame, UTF-8 or not."""
        await self.socket.send(data, text=True)

    async def write(self, data: bytes) -> None:
        """Write raw bytes to the connection, without framing."""
        self.socket.transport.write(data)
        await asyncio.sleep(0)

    async def receive(self, *, timeout: float = _TIMEOUT) -> str:
        """Return the next text frame; raises TimeoutError or ConnectionClosed."""
        async with asyncio.timeout(timeout):
            data = await self.socket.recv()
        assert isinstance(data, str), f"binary frame {data!r}"
        return data

    async def receive_json(self, *, timeout: float = _TIMEOUT) -> Any:
        """Return the next text frame, decoded."""
        return json.loads(await self.receive(timeout=timeout))

    async def receive_type(self, type_: str, *, timeout: float = _TIMEOUT) -> dict[str, Any]:
        """Return the next native frame of this type; others in front of it are dropped."""
        async with asyncio.timeout(timeout):
            while True:
                frame: dict[str, Any] = await self.receive_json()
                if frame["type"] == type_:
                    return frame

    async def expect_silence(self, seconds: float = 0.3) -> None:
        """Fail when anything arrives within `seconds`."""
        try:
            data = await self.receive(timeout=seconds)
        except TimeoutError:
            return
        raise AssertionError(f"unexpected frame {data}")

    async def expect_close(self, code: int, *, timeout: float = _TIMEOUT) -> list[str]:
        """Read until the server closes; check the code, return the frames."""
        frames = []
        try:
            async with asyncio.timeout(timeout):
                while True:
                    frames.append(await self.receive(timeout=timeout))
        except ConnectionClosed:
            pass
        got, before = self.socket.close_code, [frame[:200] for frame in frames[-5:]]
        assert got == code, f"closed {got} {self.socket.close_reason!r}, not {code}; before it {before}"
        return frames
