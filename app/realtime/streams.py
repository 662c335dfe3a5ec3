"""The native protocol without a WebSocket.

Server frames come as a text/event-stream, client frames by HTTP.
A stream is a socket whose send queue an HTTP response reads. It has the hub, the limits and the promises of a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import structlog

from core import metrics, state
from core.client_network import client_network
from core.errors import BadJson, Close, RateAbuse, SocketRefused
from core.heartbeat import HEARTBEAT_S
from core.refusals import note_refusal
from db import installation
from db.database import DatabaseUnavailable
from realtime import hub as hubs
from realtime.dialects.native import NativeDialect
from realtime.events import Person, encode
from realtime.protocol import syntax_error
from realtime.send_queue import HIGH_WATER_BYTES, MAX_AGE_S, Batch
from realtime.socket import Socket

logger = structlog.get_logger(__name__)

# Rooms that a cursor names: it goes with each event. A client with more joins the others itself.
CURSOR_ROOMS = 32
# Longest time of an unsent response after its stream was closed.
CLOSE_S = 5.0
# How long a stream waits for its answer to begin: its client may have gone before.
BEGIN_S = 2.0
# Frames of one request that wait for their turn.
WAITING_FRAMES = 200
# A log event, as realtime encodes it; a slug needs no escapes.
_EVENT = re.compile(r'\{"type":"[^"]+","room":"([^"]+)","seq":(\d+),"from"')
_JOINED = '{"type":"room.joined"'


class StreamDialect(NativeDialect):
    name = "stream"

    async def greeting(self) -> str:
        return await self.hello(stream=self.room)


class Stream:
    """The send queue of a stream, and the response's body."""

    writer = None

    def __init__(self, hub: hubs.Hub, user: int) -> None:
        self._most = hub.limits.send_queue_bytes
        # Every process can tell from it whose stream it is, and on which process.
        self.id = f"{hub.origin}.{user}.{secrets.token_urlsafe(12)}"
        self.socket: Socket
        self._texts: deque[str] = deque()
        self._size = 0
        self._since = 0.0
        self._more = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._end: tuple[int, str] | None = None
        self._reader: asyncio.Task[object] | None = None
        # Room → the highest seq that was sent.
        self._sent: dict[str, int] = {}
        # Rooms of the client's cursor that are not joined again yet.
        self._resuming: set[str] = set()
        # Whether rooms of a cursor of another epoch are being joined.
        self._begins_anew = False
        self._receiving = asyncio.Lock()
        self._waiting = 0
        # The number of the newest request whose frames were taken.
        self._taken = 0

    # --- as a send queue

    def push(self, batch: Batch) -> bool:
        if self._end is None:
            if not self._texts:
                self._since = time.monotonic()
            self._texts.extend(batch.texts)
            self._size += batch.size
            self._empty.clear()
            self._more.set()
        return self._size <= self._most

    def above_high_water(self) -> bool:
        return self._size > HIGH_WATER_BYTES

    async def drain(self) -> None:
        await self._empty.wait()

    def overdue(self, now: float) -> bool:
        return bool(self._texts) and now - self._since > MAX_AGE_S

    async def close(self, code: int, reason: str) -> None:
        self._end = self._end or (code, reason)
        self._more.set()
        self._empty.set()
        if self._reader is None:  # the client was gone before the answer began
            self.forget()
        elif self._texts:
            asyncio.get_running_loop().call_later(CLOSE_S, self._reader.cancel)

    # --- as a body

    async def body(self, cursor: str, rooms: Iterable[str]) -> AsyncIterator[bytes]:
        """Yield the stream until it is closed or its reader is gone.

        `cursor` and `rooms` are as for `resume`.
        """
        self._reader = asyncio.current_task()
        self.socket.hub.spawn(self.resume(cursor, rooms))
        try:
            while True:
                chunk = self._take()
                if chunk:
                    yield chunk
                    continue
                if self._end is not None:
                    code, reason = self._end
                    yield f"event: close\ndata: {encode({'code': code, 'reason': reason})}\n\n".encode()
                    return
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        await self._more.wait()
                except TimeoutError:
                    yield b": \n\n"
        finally:
            self.forget()

    def forget_unless_begun(self) -> None:
        if self._reader is None:
            self.forget()

    def forget(self) -> None:
        """Forget the stream: its reader is gone."""
        if _streams.pop(self.id, None) is not None:
            self.socket.closed = True
            self._end = self._end or (int(Close.RESTART), "")  # nothing more is kept for it
            self._empty.set()  # ends a resume that waits for the reader
            self.socket.hub.spawn(self.socket.hub.unregister(self.socket))

    def _take(self) -> bytes:
        """Return up to HIGH_WATER_BYTES of the queue, as one chunk."""
        lines, size = [], 0
        while self._texts and size < HIGH_WATER_BYTES:
            text = self._texts.popleft()
            size += len(text)
            moved = self._note(text)
            # Until all rooms are joined anew the client keeps its cursor, which names them.
            cursor = f"id: {self.cursor}\n" if moved and not self._begins_anew else ""
            lines.append(f"{cursor}data: {text}\n\n")
        self._size -= size
        self._since = time.monotonic()
        if not self._texts:
            self._more.clear()
            self._empty.set()
            if self._end is not None:
                self._more.set()
        return "".join(lines).encode()

    # --- the cursor

    @property
    def cursor(self) -> str:
        """Return `epoch,room:seq,…`, percent-encoded.

        Of the joined rooms and those to be joined again. The client brings it back in Last-Event-ID.
        """
        joined, resuming = self.socket.rooms, self._resuming
        places = [f"{quote(room)}:{seq}" for room, seq in self._sent.items() if room in joined or room in resuming]
        return ",".join([installation.known_epoch(), *places[-CURSOR_ROOMS:]])

    def _note(self, text: str) -> bool:
        """Record the frame's place in its room; return whether it moves the cursor."""
        found = _EVENT.match(text)
        if found:
            self._sent[found[1]] = int(found[2])
        elif text.startswith(_JOINED):
            joined = msgspec.json.decode(text)
            events = joined["events"]
            # A page with more behind it ends at its last event.
            self._sent[joined["room"]] = events[-1]["seq"] if joined["more"] and events else joined["head"]
        else:
            return False
        return True

    # --- client frames

    async def receive_request(self, texts: Iterable[str], request: int | None) -> None:
        """Handle the frames of a request, unless it was accepted before.

        A client repeats a request whose answer it did not get.
        """
        if request is not None and request <= self._taken:
            return
        self._taken = request or self._taken
        await self.receive(texts)

    async def receive(self, texts: Iterable[str]) -> None:
        """Handle client frames in their order, after all earlier ones.

        Replies come over the stream.
        """
        texts = list(texts)
        self._waiting += len(texts)
        try:
            if self._waiting > WAITING_FRAMES:
                self.socket.close_soon(Close.RATE_ABUSE, "too many frames wait")
                return
            async with self._receiving:
                for text in texts:
                    if self.socket.closed:
                        return
                    if (rest := self.socket.receive(text)) is not None:
                        await rest
                    if self.above_high_water():
                        await self.drain()
        except SocketRefused as refusal:
            self.socket.close_soon(refusal.close_code, refusal.reason)
        except DatabaseUnavailable:
            self.socket.close_soon(Close.RESTART, "the database is away")
        except Exception:
            logger.exception("a stream failed")
            self.socket.close_soon(Close.INTERNAL, "internal error")
        finally:
            self._waiting -= len(texts)

    async def resume(self, cursor: str, rooms: Iterable[str]) -> None:
        """Join the cursor's rooms from their seqs on, `rooms` from their latest messages.

        The rooms of a cursor of another epoch are joined like `rooms`: its seqs are of another log.
        """
        epoch, *places = cursor.split(",")[: CURSOR_ROOMS + 1]
        held, anew = {}, []
        for place in places:
            room, _, seq = place.rpartition(":")
            if room and epoch != installation.known_epoch():
                anew.append(unquote(room))
            elif room and seq.isdecimal() and len(seq) < 17:
                held[unquote(room)] = int(seq)
        self._begins_anew = bool(anew)
        self._sent.update(held)
        self._resuming.update(held)
        for room, after in held.items():
            await self._join_from(room, after)
            self._resuming.discard(room)
        for room in dict.fromkeys([*anew, *rooms]):
            await self.receive([encode({"type": "room.join", "room": room})])
        if self._begins_anew:
            await self.drain()
            self._begins_anew = False

    async def _join_from(self, room: str, after: int) -> None:
        while not self.socket.closed:
            self._sent[room] = after
            await self.receive([encode({"type": "room.join", "room": room, "after": after})])
            await self.drain()
            if room in self.socket.rooms or self._sent[room] == after:  # complete, or refused
                return
            after = self._sent[room]


class StreamBody:
    """The body of a stream's HTTP answer.

    Django calls `close` in a thread after any end of the answer.
    """

    def __init__(self, stream: Stream, cursor: str, rooms: Iterable[str]) -> None:
        """`cursor` and `rooms` as for `Stream.resume`."""
        self._stream, self._cursor, self._rooms = stream, cursor, rooms
        self._loop = asyncio.get_running_loop()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.body(self._cursor, self._rooms)

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the hub with it
            self._loop.call_soon_threadsafe(self._stream.forget)


_streams: dict[str, Stream] = {}


async def open_stream(user: Person, credential: str, address: str) -> Stream:
    """Open a stream of a person.

    Raises SocketRefused with the code that a socket would be closed with.
    """
    hub = hubs.current()
    if state.draining:
        refusal = SocketRefused("service restart")
        refusal.close_code = Close.RESTART
        raise refusal
    network = client_network(address)
    if not hub.handshakes.take(network):
        note_refusal("handshakes", network, "LIMIT_HANDSHAKES_PER_S")
        raise RateAbuse("too many handshakes from this address")
    stream = Stream(hub, user.id)
    socket = stream.socket = Socket(hub, user, credential, stream)
    socket.dialect = StreamDialect(socket, stream.id)
    socket.dialect.frames = stream.receive_request
    try:
        await hub.register(socket)
        await socket.dialect.open()
    except BaseException:
        socket.closed = True
        await hub.unregister(socket)
        raise
    _streams[stream.id] = stream
    asyncio.get_running_loop().call_later(BEGIN_S, stream.forget_unless_begun)
    return stream


def decode(body: bytes) -> Any:
    """Decode client frames that came by HTTP.

    Raises BadJson or BadFrame, as for a text frame of a socket.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadJson(f"not JSON: {error}") from error
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise syntax_error(text, error) from error


def find(stream: str, user: int) -> Stream | None:
    """Return a stream of this process, if it is that person's."""
    found = _streams.get(stream)
    return found if found is not None and found.socket.user.id == user else None


def receive_soon(stream: Stream, texts: list[str], request: int | None = None) -> None:
    """Handle client frames after all earlier ones."""
    stream.socket.hub.spawn(stream.receive_request(texts, request))


def is_of(stream: str, user: int) -> bool:
    """Return whether a stream of that name would be one of that person."""
    return stream.split(".")[1:2] == [str(user)]


def is_here(stream: str) -> bool:
    """Return whether a stream of that name would be one of this process."""
    return stream.partition(".")[0] == hubs.current().origin


def forward(stream: str, user: int, texts: list[str], request: int | None = None) -> bool:
    """Send client frames to the process that holds the stream.

    Return False when the layer is away.
    """
    hub = hubs.current()
    if not hub.bus.healthy:
        return False
    hub.bus.send(f"user.{user}", {"kind": "frames", "user": user, "stream": stream, "frames": texts, "request": request})
    metrics.FRAMES_IN.add(len(texts), "forwarded")
    return True
