"""python-socketio with its Redis manager under uvicorn.

It has the same rooms as socketio.mjs.

Usage: PORT=… REDIS_URL=… python python_socketio.py
"""

import os

import socketio
import uvicorn

manager = socketio.AsyncRedisManager(os.environ["REDIS_URL"])
server = socketio.AsyncServer(async_mode="asgi", client_manager=manager, ping_interval=300, ping_timeout=300)


@server.on("join")
async def join(sid: str, room: str) -> None:
    """Enter a room and confirm it."""
    await server.enter_room(sid, room)
    await server.emit("joined", room, to=sid)


@server.on("message")
async def message(sid: str, room: str, text: str) -> None:
    """Send a message to all members of the room."""
    await server.emit("message", text, room=room)


if __name__ == "__main__":
    uvicorn.run(socketio.ASGIApp(server), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", backlog=4096)
