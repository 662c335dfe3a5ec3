"""A dialect: how one kind of client writes frames and reads events. Others are translated to native frames."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar

from realtime.events import LogEvent, RoomRef

if TYPE_CHECKING:
    from realtime.socket import Socket


class Dialect:
    """One instance per socket. `encode` and `encode_own` run once per event; sockets share the result."""

    name: ClassVar[str]
    # Whether the dialect receives presence, typing and other frames without a seq.
    signals: ClassVar[bool] = False
    # Handles frames that came by another way than the socket: of a stream.
    frames: Callable[[list[str]], Coroutine[Any, Any, None]] | None = None

    def __init__(self, socket: Socket, room: str) -> None:
        self.socket, self.room = socket, room

    async def open(self) -> None:
        """Start the dialect, after the credentials were accepted."""

    async def text(self, text: str) -> None:
        """Handle one text frame from the client."""

    def text_at_once(self, text: str) -> bool:
        """Handle a text frame that needs no wait.

        Return False, without effect, if it must go to `text`.
        """
        return False

    def member_of(self, room: RoomRef, head: int) -> None:
        """Note that the person joined a room whose log stood at `head`."""

    @staticmethod
    def encode(room: RoomRef, event: LogEvent) -> str | None:
        """Encode the event for other people; None if the dialect does not show it."""
        raise NotImplementedError

    @staticmethod
    def encode_own(room: RoomRef, event: LogEvent) -> str | None:
        """Encode the event for its author's own sockets."""
        raise NotImplementedError
