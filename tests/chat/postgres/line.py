"""A TCP proxy in front of Postgres that can fall silent.

It can also lose the answer to a statement that was committed.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class Line:
    """A proxy: `async with Line(port) as line`.

    A connection to `line.port` reaches the server.
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.port = 0
        # So many of the next answers with one row are lost, as a commit's is, and their connections with them.
        self.lose_answers = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def silence(self) -> None:
        """Let no byte pass, in either direction.

        Connections stay open, and new ones are accepted.
        """
        self._flowing.clear()

    def heal(self) -> None:
        """What waited passes."""
        self._flowing.set()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        far, to_far = await asyncio.open_connection("127.0.0.1", self._upstream)
        ways = [asyncio.create_task(self._there(near, to_far)), asyncio.create_task(self._back(far, to_near))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (to_near, to_far):
                end.close()

    async def _there(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                await self._flowing.wait()
                target.write(data)

    async def _back(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                await self._flowing.wait()
                if self.lose_answers and b"SELECT 1\0" in data:
                    self.lose_answers -= 1
                    return
                target.write(data)
