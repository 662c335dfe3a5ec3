"""A client of the event stream: reads frames, sends them by HTTP."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.support.chat_client import Account

Frame = dict[str, Any]


class StreamClient:
    """A client of the event stream.

    `frames` are the frames not expected yet, `closed` is the code of the end, `ids` are the cursors, the newest last.
    """

    def __init__(self, http: httpx.AsyncClient, response: httpx.Response) -> None:
        self.http, self.response = http, response
        self.id = response.headers["Hubbub-Stream"]
        self.frames: list[Frame] = []
        self.closed: Frame | None = None
        self.ids: list[str] = []
        self._more = asyncio.Event()
        self._numbers = itertools.count(1)
        self._reading = asyncio.create_task(self._read())

    @property
    def last_id(self) -> str:
        return self.ids[-1] if self.ids else ""

    async def _read(self) -> None:
        event = ""
        try:
            async for line in self.response.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    self.ids.append(value)
                elif name == "event":
                    event = value
                elif name == "data" and event == "close":
                    self.closed = json.loads(value)
                elif name == "data":
                    self.frames.append(json.loads(value))
                self._more.set()
        except httpx.HTTPError:
            return

    async def expect(self, kind: str, **fields: Any) -> Frame:
        """Return the next frame of that type with these fields, at most 10 s away."""
        async with asyncio.timeout(10):
            while True:
                for frame in self.frames:
                    if frame["type"] == kind and frame.items() >= fields.items():
                        self.frames.remove(frame)
                        return frame
                self._more.clear()
                await self._more.wait()

    async def end(self) -> Frame:
        """Return the last event, `close`, at most 10 s away."""
        async with asyncio.timeout(10):
            while self.closed is None:
                self._more.clear()
                await self._more.wait()
        return self.closed

    async def send(self, *frames: Frame) -> httpx.Response:
        return await self.http.post("/api/frames", json=list(frames), headers={"Hubbub-Stream": self.id})

    async def request(self, kind: str, **fields: Any) -> Frame:
        """Send a frame; return its reply."""
        number = next(self._numbers)
        answer = await self.send({"type": kind, "id": number, **fields})
        assert answer.status_code == 202, answer.text
        async with asyncio.timeout(10):
            while True:
                for frame in self.frames:
                    if frame.get("re") == number:
                        self.frames.remove(frame)
                        return frame
                self._more.clear()
                await self._more.wait()

    async def close(self) -> None:
        self._reading.cancel()
        await self.response.aclose()


@asynccontextmanager
async def stream(base_url: str, account: Account, *, room: str = "", last_id: str = "") -> AsyncIterator[StreamClient]:
    headers = account.headers | ({"Last-Event-ID": last_id} if last_id else {})
    async with httpx.AsyncClient(base_url=base_url, headers=account.headers, timeout=15) as http:
        asked = http.build_request("GET", "/api/stream", params={"room": room} if room else {}, headers=headers)
        response = await http.send(asked, stream=True)
        assert response.status_code == 200, await response.aread()
        client = StreamClient(http, response)
        try:
            yield client
        finally:
            await client.close()
