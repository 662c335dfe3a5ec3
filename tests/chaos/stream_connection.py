"""The event stream with the methods of a WebSocket that `Client` uses.

It reads `GET /api/stream` and writes with `POST /api/frames`.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import h11
import httpx
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.http11 import Response

# As the page: a request without an answer has no way out.
ANSWER_S = 10.0
# Frames of one request, as the server takes them.
FRAMES = 50
# Answers which say that no frame was taken: the same request is sent again.
NOT_TAKEN = frozenset({httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS})


class StreamConnection(asyncio.Protocol):
    """One stream, read by a connection of its own; frames are sent by others."""

    transport: asyncio.Transport

    def __init__(self, base_url: str, headers: Mapping[str, str], chance: random.Random) -> None:
        self.close_code: int | None = None
        self._base_url, self._headers, self._chance = base_url, dict(headers), chance
        self._parser = h11.Connection(h11.CLIENT)
        self._answered: asyncio.Future[h11.Response] = asyncio.get_running_loop().create_future()
        self._rest = b""
        self._frames: asyncio.Queue[str | None] = asyncio.Queue()
        self._unsent: asyncio.Queue[str] = asyncio.Queue()
        self._posting: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, base_url: str, headers: Mapping[str, str], chance: random.Random) -> "StreamConnection":
        """Read the head of the answer; `headers` name the host.

        Raises OSError, or InvalidStatus as a WebSocket's `connect`.
        """
        stream = cls(base_url, headers, chance)
        parts = urlsplit(base_url)
        await asyncio.get_running_loop().create_connection(lambda: stream, str(parts.hostname), parts.port or 80)
        try:
            await stream._ask()
        except BaseException:
            stream.transport.abort()
            raise
        return stream

    async def _ask(self) -> None:
        asked = [("Accept", "text/event-stream"), *self._headers.items()]
        for event in (h11.Request(method="GET", target="/api/stream", headers=asked), h11.EndOfMessage()):
            self.transport.write(self._parser.send(event) or b"")
        answer = await self._answered
        if answer.status_code != httpx.codes.OK:
            raise InvalidStatus(Response(answer.status_code, bytes(answer.reason).decode(), Headers()))
        named = {name.decode(): value.decode() for name, value in answer.headers}
        self._headers["Hubbub-Stream"] = named["hubbub-stream"]
        self._posting = asyncio.create_task(self._post())

    # --- as a protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.receive_data(data)
            while (event := self._parser.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Response) and not self._answered.done():
                    self._answered.set_result(event)
                elif isinstance(event, h11.Data):
                    self._read(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self.transport.close()
                    return
        except h11.RemoteProtocolError:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.close_code = self.close_code or 1006
        self._frames.put_nowait(None)
        if not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("no answer to GET /api/stream"))
        if self._posting is not None:
            self._posting.cancel()

    def _read(self, data: bytes) -> None:
        """Hand on the data of each event; a comment is a sign of life, as a pong."""
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        for block in blocks:
            fields = dict(line.partition(": ")[::2] for line in block.decode().split("\n"))
            if fields.get("event") == "close":
                self.close_code = int(json.loads(fields["data"])["code"])
            elif "data" in fields:
                self._frames.put_nowait(fields["data"])
            else:
                self._frames.put_nowait('{"type": "pong"}')

    # --- as a WebSocket

    async def recv(self) -> str:
        frame = await self._frames.get()
        if frame is None:
            raise ConnectionClosedError(None, None)
        return frame

    async def __aiter__(self) -> AsyncIterator[str]:
        with suppress(ConnectionClosed):
            while True:
                yield await self.recv()

    async def send(self, frame: str) -> None:
        """Send a frame after all earlier ones, without waiting for its request."""
        self._unsent.put_nowait(frame)

    async def close(self) -> None:
        self.close_code = 1000
        self.transport.close()

    async def _post(self) -> None:
        """Send one request at a time, so that frames keep their order."""
        async with httpx.AsyncClient(base_url=self._base_url, headers=self._headers, timeout=ANSWER_S, verify=False) as http:
            try:
                while True:
                    frames = [await self._unsent.get()]
                    while len(frames) < FRAMES and not self._unsent.empty():
                        frames.append(self._unsent.get_nowait())
                    await self._deliver(http, f"[{','.join(frames)}]")
            except httpx.HTTPError:  # the server may have accepted the frames
                self.transport.abort()

    async def _deliver(self, http: httpx.AsyncClient, body: str) -> None:
        while True:
            answer = await http.post("/api/frames", content=body)
            if answer.status_code not in NOT_TAKEN:
                answer.raise_for_status()
                return
            await asyncio.sleep(self._chance.uniform(0.3, 1.5))
