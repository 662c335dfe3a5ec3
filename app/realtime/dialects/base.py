"""A dialect: how one kind of client writes frames and reads events.

Others are translated to native frames.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, ClassVar, Protocol

import msgspec

from core.errors import BadFrame, Close, FrameRefused
from db import installation
from realtime.events import LogEvent, Person, RoomRef
from realtime.protocol import hello, syntax_error


class DialectSocket(Hashable, Protocol):
    """What a dialect may do with its socket (realtime/socket.py)."""

    user: Person
    credential: str
    # The last alias used in its messages: as written, and as others see it.
    alias: tuple[str, str]
    # What features keep with it, by feature.
    state: dict[str, Any]
    closed: bool

    def push(self, text: str) -> None: ...
    def close_soon(self, code: Close, reason: str) -> None: ...
    def count_refusal(self, refusal: FrameRefused) -> None: ...
    def handle(self, text: str, only: type[msgspec.Struct] | None = None) -> Awaitable[None] | None:
        """Handle a native frame.

        Return what must be awaited, if anything.

        `only`: the one kind of frame that this socket may send.
        """

    async def perform(self, kind: str, fields: dict[str, Any]) -> dict[str, Any] | None:
        """Perform a native frame of another dialect.

        Raises FrameRefused.
        """

    async def attach(self, refs: list[RoomRef]) -> None:
        """Push live events of these rooms from now on."""

    def attach_soon(self, ref: RoomRef, after: int) -> None:
        """Attach a room, and push its events above `after`."""

    def send_live_values(self, slug: str) -> None:
        """Send the kept live values of a joined room."""


def decode_object(text: str) -> dict[str, Any]:
    """Decode a JSON object.

    Raises BadJson or BadFrame.
    """
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise syntax_error(text, error) from error
    if not isinstance(value, dict):
        raise BadFrame("not a JSON object")
    return value


class Dialect:
    """One instance per socket.

    `encode` and `encode_own` run once per event; sockets share the result.
    """

    name: ClassVar[str]
    # Whether the dialect receives presence, typing and other frames without a seq.
    signals: ClassVar[bool] = False
    # Handles frames that came by another way than the socket, and the number of their request: of a stream.
    frames: Callable[[list[str], int | None], Coroutine[Any, Any, None]] | None = None
    # The live topic whose values the dialect receives in a form of its own; without one it receives none.
    topic: ClassVar[str] = ""
    # The structs of a line of clients and of the server, for docs/asyncapi.yaml.
    line_in: ClassVar[type[msgspec.Struct] | None] = None
    line_out: ClassVar[type[msgspec.Struct] | None] = None

    def __init__(self, socket: DialectSocket, room: str) -> None:
        self.socket, self.room = socket, room

    async def greeting(self) -> str:
        """Return the frame that a socket gets before all others, "" for none.

        It must be encoded last, without a wait behind: later news follow it.
        """
        return ""

    async def hello(self, *, stream: str = "") -> str:
        """Encode `hello`.

        `stream`: the name of the stream that carries it, if it is no WebSocket.
        """
        epoch = await installation.epoch()
        return hello(self.socket.user, epoch, stream=stream)

    async def open(self) -> None:
        """Start the dialect of a registered socket."""

    def text(self, text: str) -> Awaitable[None] | None:
        """Handle one text frame from the client.

        Return what must be awaited before the next one, if anything.

        A dialect that always waits has a coroutine function here.
        """

    def member_of(self, room: RoomRef, head: int) -> None:
        """Note that the person joined a room whose log stood at `head`."""

    async def closed(self) -> None:
        """Clean up after the client closed the socket.

        Not called after a lost connection.
        """

    async def lost(self) -> None:
        """Clean up after a lost connection: the client may come back."""

    def noted(self, note: dict[str, Any]) -> None:
        """Take a note of one of the person's sockets of this dialect: of this one, too.

        They are in any process (realtime.publish.dialect_note).
        """

    @staticmethod
    def encode_value(key: str, sender: Person, value: Any) -> str | None:
        """Encode a live value of `topic`; None if the dialect does not show it.

        A `value` of None says that it has ended.
        """
        raise NotImplementedError

    @staticmethod
    def encode(room: RoomRef, event: LogEvent) -> str | None:
        """Encode the event for other people; None if the dialect does not show it."""
        raise NotImplementedError

    @staticmethod
    def encode_own(room: RoomRef, event: LogEvent) -> str | None:
        """Encode the event for its author's own sockets."""
        raise NotImplementedError
