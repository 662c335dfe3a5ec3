"""The native dialect of /ws/: docs/protocol.md."""

from __future__ import annotations

from collections.abc import Awaitable

from realtime.dialects.base import Dialect
from realtime.events import LogEvent, RoomRef


class NativeDialect(Dialect):
    name = "native"
    signals = True

    async def greeting(self) -> str:
        return await self.hello()

    def text(self, text: str) -> Awaitable[None] | None:
        if text != "ping":
            return self.socket.handle(text)
        self.socket.push("pong")
        return None

    @staticmethod
    def encode(room: RoomRef, event: LogEvent) -> str:
        return event.text

    @staticmethod
    def encode_own(room: RoomRef, event: LogEvent) -> str:
        return event.for_author()
