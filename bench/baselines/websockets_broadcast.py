"""`websockets` with its own broadcast() on uvloop: no Redis, no log, one process.

Usage: PORT=… python websockets_broadcast.py
"""

import os
from collections import defaultdict

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

rooms: defaultdict[str, set[ServerConnection]] = defaultdict(set)


async def member(connection: ServerConnection) -> None:
    """Serve one socket; its path is its room."""
    assert connection.request is not None
    room = rooms[connection.request.path]
    room.add(connection)
    try:
        async for message in connection:
            broadcast(room, message)
    finally:
        room.discard(connection)


async def main() -> None:
    """Serve until ended."""
    async with serve(member, "127.0.0.1", int(os.environ["PORT"]), compression=None, ping_interval=None, backlog=4096) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
