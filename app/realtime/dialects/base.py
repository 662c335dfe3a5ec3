"""A dialect: how one kind of client writes its frames and reads its events. Native frames are the common tongue."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from realtime.events import LogEvent, RoomRef

if TYPE_CHECKING:
    from realtime.socket import Socket


class Dialect:
    """One instance per socket. `encode` and `encode_own` are per event: the hub calls them once for many sockets."""

    name: ClassVar[str]
    #: Whether the dialect hears of presence, typing and the like.
    signals: ClassVar[bool] = False

    def __init__(self, socket: Socket, room: str) -> None:
        self.socket, self.room = socket, room

    async def open(self) -> None:
        """After the credentials were accepted."""

    async def text(self, text: str) -> None:
        """One text frame from the client."""

    def text_at_once(self, text: str) -> bool:
        """Handles a text frame that waits for nothing; False, with nothing done, for one that may: it goes to `text`."""
        return False

    def member_of(self, room: RoomRef, head: int) -> None:
        """The person became a member of a room whose log stood at `head`."""

    @staticmethod
    def encode(room: RoomRef, event: LogEvent) -> str | None:
        """The event as others see it; None when the dialect does not show it."""
        raise NotImplementedError

    @staticmethod
    def encode_own(room: RoomRef, event: LogEvent) -> str | None:
        """The event as its author's own sockets see it."""
        raise NotImplementedError
