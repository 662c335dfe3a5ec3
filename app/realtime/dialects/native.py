"""The native dialect of /ws/: docs/protocol.md."""

from __future__ import annotations

from realtime.dialects.base import Dialect
from realtime.events import LogEvent, RoomRef


class NativeDialect(Dialect):
    name = "native"
    signals = True

    async def open(self) -> None:
        await self.greet()

    async def text(self, text: str) -> None:
        if text == "ping":
            self.socket.push("pong")
        else:
            await self.socket.handle(text)

    def text_at_once(self, text: str) -> bool:
        return text != "ping" and self.socket.handle_at_once(text)

    @staticmethod
    def encode(room: RoomRef, event: LogEvent) -> str:
        return event.text

    @staticmethod
    def encode_own(room: RoomRef, event: LogEvent) -> str:
        return event.for_author()
