"""Many people's idle event streams (`GET /api/stream`), held open by this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

# Streams that are opened at a time.
AT_ONCE = 100
OPEN_S = 60.0


def hold(port: int, tokens: Sequence[str], rooms: Sequence[str], ready: Callable[[], None]) -> tuple[float, int]:
    """Open a stream for each token, in turn in one of the rooms, and close them.

    Calls `ready` once all have joined. Returns streams opened per second, and how many failed.
    """
    return asyncio.run(_hold(port, tokens, rooms, ready))


async def _hold(port: int, tokens: Sequence[str], rooms: Sequence[str], ready: Callable[[], None]) -> tuple[float, int]:
    gate = asyncio.Semaphore(AT_ONCE)
    begun = time.monotonic()

    async def open_one(number: int) -> asyncio.StreamWriter:
        async with gate, asyncio.timeout(OPEN_S):
            return await _open(port, tokens[number], rooms[number % len(rooms)])

    opened = await asyncio.gather(*map(open_one, range(len(tokens))), return_exceptions=True)
    took = time.monotonic() - begun
    writers = [one for one in opened if isinstance(one, asyncio.StreamWriter)]
    await asyncio.sleep(1)  # presence and the last joins
    ready()
    for writer in writers:
        writer.close()
    return len(writers) / took, len(tokens) - len(writers)


async def _open(port: int, token: str, room: str) -> asyncio.StreamWriter:
    """Open one stream; return once its room is joined.

    Raises ConnectionError if the server ends it before.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET /api/stream?room={room} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Token {token}\r\n\r\n"
    writer.write(head.encode())
    while line := await reader.readline():
        if b'"type":"room.joined"' in line:
            return writer
    raise ConnectionError(f"the stream ended before {room} was joined")
