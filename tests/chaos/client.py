"""One user who remembers every event and always reconnects.

The user has one socket, or one event stream in its place.

    client = Client(url, token, ["a", "b"], name="c1", chance=Random(1))
    task = asyncio.create_task(client.run())
    client.outbox.write("a")            # sent, and repeated until acknowledged
    client.cut(); client.stop_reading(); client.resume_reading()
    client.sight()                      # its records, for the checker

It keeps every event as received and records each broken promise of a socket together
with the frame. It behaves as docs/protocol.md asks of a client, without extras.
"""

import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import inf
from time import time
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from tests.chaos.memory import RoomMemory
from tests.chaos.outbox import Outbox
from tests.chaos.records import Life, Sight, Span
from tests.chaos.stream_connection import StreamConnection

Frame = dict[str, Any]
Connection = ClientConnection | StreamConnection

# Limit of one attempt to connect, `hello` included.
OPEN_S = 5.0
# The server answers a join within its own limits; a socket without an answer is closed.
JOIN_S = 12.0
# The shortest and the longest pause before a reconnect, each with full jitter.
PAUSE_S = (0.25, 3.0)
QUIET = frozenset({"typing", "read", "unread", "room.added", "room.left", "room.updated", "user.updated", "ok", "pong"})


class Client:
    def __init__(
        self, url: str, token: str, rooms: list[str], *, name: str, chance: random.Random, streams: bool = False
    ) -> None:
        """Make a client of the server at `url`.

        With `streams` it uses the event stream and POST instead of the WebSocket.
        """
        self.url, self.name, self.chance, self.streams = url, name, chance, streams
        self.rooms = {room: RoomMemory() for room in rooms}
        self.outbox = Outbox(name, chance)
        self.lives: list[Life] = []
        self.broken: list[str] = []
        self.blind: list[Span] = []
        self.deaf: list[Span] = []
        self.failed: Counter[str] = Counter()
        self._token = token
        # Past Docker the address is another one, and the servers answer requests for their own host only.
        self._host = urlsplit(url).netloc
        self._started_at = time()
        self._socket: Connection | None = None
        self._out: asyncio.Queue[Frame] = asyncio.Queue()
        self._timers: list[asyncio.TimerHandle] = []
        self._asked_at: dict[str, float] = {}
        self._heartbeat, self._heard_at, self._pinged_at = 20.0, 0.0, 0.0
        self._stopped_at = inf
        self._goodbye: asyncio.Task[None] | None = None
        self.gaps = 0

    @property
    def online(self) -> bool:
        """Return whether the client is greeted and live in every room."""
        return self._socket is not None and all(room.live for room in self.rooms.values())

    def holds(self, heads: dict[str, int]) -> bool:
        """Return whether it has all events up to these heads."""
        return all(memory.highest >= heads.get(room, 0) for room, memory in self.rooms.items())

    @property
    def port(self) -> int:
        """Return the local port of the open connection."""
        assert self._socket is not None
        return int(self._socket.transport.get_extra_info("sockname")[1])

    def lost_since(self, moment: float) -> bool:
        """Return whether one of its sockets ended since then."""
        return any(life.ended_at is not None and life.ended_at >= moment for life in self.lives)

    def sight(self) -> Sight:
        """Return its records so far."""
        views = {room: list(memory.receipts) for room, memory in self.rooms.items()}
        lives = [replace(life) for life in self.lives]
        spans = {"blind": list(self.blind), "deaf": list(self.deaf)}
        return Sight(self.name, self._started_at, views, lives, list(self.broken), failed=Counter(self.failed), **spans)

    # --- called by faults

    def cut(self) -> None:
        """Drop the network: no close frame, no goodbye."""
        if self._socket is not None:
            self._socket.transport.abort()

    def stop_reading(self) -> None:
        """Leave all bytes in the kernel's small buffers until `resume_reading`."""
        if self._socket is not None:
            self._socket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            self._socket.transport.pause_reading()
        self._stopped_at = time()

    def resume_reading(self) -> None:
        """Read the buffered bytes, if the socket is still open."""
        if self._socket is not None and not self._socket.transport.is_closing():
            self._socket.transport.resume_reading()
        self.blind.append(Span(self._stopped_at, time()))
        self._stopped_at = inf

    def was_deaf(self, since: float, now: float) -> None:
        """Record the time from the silent death of a connection until its detection."""
        life = next((life for life in self.lives if life.hello_at < since and (life.ended_at or inf) > since), None)
        if life is not None:
            self.deaf.append(Span(since, life.ended_at or now))

    def tick(self, now: float) -> None:
        """Ping a silent server, or close a dead connection; called once a second."""
        if self._socket is None or self._stopped_at < now:
            return
        if now - self._heard_at > 2.5 * self._heartbeat or any(now - asked > JOIN_S for asked in self._asked_at.values()):
            self.cut()
        elif now - self._heard_at > self._heartbeat and self._pinged_at < self._heard_at:
            self._pinged_at = now
            self._say({"type": "ping"})

    # --- connections

    async def run(self) -> None:
        """Connect and reconnect until cancelled."""
        failures = 0
        while True:
            opened = await self._open()
            if opened is None:
                failures += 1
            else:
                failures = 0
                await self._live(*opened)
            await asyncio.sleep(self.chance.uniform(0, min(PAUSE_S[1], PAUSE_S[0] * 2**failures)))

    async def _open(self) -> tuple[Connection, Frame] | None:
        """Open a socket and read its `hello`."""
        try:
            async with asyncio.timeout(OPEN_S):
                connection = await self._dial()
                try:
                    return connection, json.loads(await connection.recv())
                except ConnectionClosed:
                    self.failed[f"closed {connection.close_code or 1006}"] += 1
                except BaseException:
                    connection.transport.abort()
                    raise
        except InvalidStatus as refusal:
            self.failed[f"HTTP {refusal.response.status_code}"] += 1
        except (OSError, InvalidHandshake, EOFError) as error:
            self.failed[type(error).__name__] += 1
        return None

    async def _dial(self) -> Connection:
        headers = {"Authorization": f"Token {self._token}"}
        if self.streams:
            base_url = self.url.replace("ws", "http", 1).removesuffix("/ws/")
            return await StreamConnection.open(base_url, headers | {"Host": self._host}, self.chance)
        return await connect(
            self.url,
            additional_headers=headers,
            open_timeout=None,
            close_timeout=1,
            ping_interval=None,
            compression=None,
            max_size=2**21,
            proxy=None,
        )

    async def _live(self, connection: Connection, hello: Frame) -> None:
        """Serve one socket from its `hello` to its end."""
        self._heard_at = time()
        self.lives.append(Life(self._heard_at))
        self._socket, self._heartbeat = connection, hello["heartbeat"]
        self._out = asyncio.Queue()
        writing = asyncio.create_task(self._write(connection))
        try:
            for room in self.rooms:
                self._join(room)
            self.outbox.connected(hello["user"]["id"], self._say)
            async for data in connection:
                self._hear(json.loads(data), time())
        except ConnectionClosed:
            pass
        finally:
            self._socket = None
            self.outbox.lost()
            for timer in self._timers:
                timer.cancel()
            self._timers.clear()
            self._asked_at.clear()
            writing.cancel()
            for memory in self.rooms.values():
                memory.silent()
            self.lives[-1].ended_at, self.lives[-1].code = time(), connection.close_code or 1006
            connection.transport.abort()

    async def _write(self, connection: Connection) -> None:
        with suppress(ConnectionClosed):
            while True:
                await connection.send(json.dumps(await self._out.get()))

    def _say(self, frame: Frame) -> None:
        self._out.put_nowait(frame)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        """Run a task for as long as this socket lasts."""
        self._timers.append(asyncio.get_running_loop().call_later(seconds, what))

    # --- frames

    def _join(self, room: str) -> None:
        self._asked_at[room] = time()
        self._say({"type": "room.join", "id": f"join {room}", "room": room, "after": self.rooms[room].highest})

    def _hear(self, frame: Frame, now: float) -> None:
        self._heard_at = now
        kind, re = frame["type"], frame.get("re")
        if "seq" in frame and "from" in frame:  # an event of the log
            self._pushed(frame, now)
        elif kind == "room.joined":
            self._joined(frame, now)
        elif kind == "presence":
            self.rooms[frame["room"]].online = frame["online_count"]
        elif kind == "gap":
            self._gap(frame["room"])
        elif kind == "drain":
            self._later(self.chance.uniform(0, frame["after_ms"] / 1000), self._leave)
        elif kind == "error" and isinstance(re, str) and re.startswith("join "):
            self._join_refused(re.removeprefix("join "), frame)
        elif kind in {"message.sent", "error"}:
            self.broken += filter(None, [self.outbox.replied(frame, now)])
        elif kind not in QUIET:
            self.broken.append(f"an unrequested frame: {frame}")

    def _pushed(self, event: Frame, now: float) -> None:
        self._note(self.rooms[event["room"]].push(event, now))

    def _joined(self, frame: Frame, now: float) -> None:
        room = frame["room"]
        self._asked_at.pop(room, None)
        self._note(self.rooms[room].page(frame, now))
        if frame["more"]:
            self._join(room)

    def _gap(self, room: str) -> None:
        self.gaps += 1
        self.rooms[room].silent()
        self._later(self.chance.uniform(0, 0.3), partial(self._join, room))

    def _join_refused(self, room: str, frame: Frame) -> None:
        self._asked_at.pop(room, None)
        if frame["code"] != "unavailable":
            self._note([f"joining {room} was refused: {frame}"])
        self._later(self.chance.uniform(0.3, 1.5), partial(self._join, room))

    def _leave(self) -> None:
        """Obey `drain`: close this socket and connect to another server."""
        if self._socket is not None:
            self._goodbye = asyncio.create_task(self._socket.close())

    def _note(self, problems: list[str]) -> None:
        self.broken += [f"{self.name}, socket {len(self.lives)}: {problem}" for problem in problems]
