"""The /infra/ws dialect: typed envelopes with JSON in a string.

Invalid frames are ignored and counted.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

import msgspec

from core.errors import BadFrame, FrameRefused
from realtime.dialects.base import Dialect
from realtime.events import LogEvent, RoomRef, encode
from realtime.ports import domains

LOBBY = "lobby"
_NUMBER = re.compile(r"[0-9]{1,18}")
SEND, RECEIVE = "demo-message-send", "demo-message-receive"


class InfraDialect(Dialect):
    name = "infra"

    async def open(self) -> None:
        lobby = await domains().enter_room(self.socket.user, LOBBY)
        rooms = [membership.room for membership in await domains().memberships(self.socket.user.id)]
        await self.socket.attach([lobby, *(room for room in rooms if room.direct)])

    def member_of(self, room: RoomRef, head: int) -> None:
        if room.direct:
            self.socket.attach_soon(room, head)

    async def text(self, text: str) -> None:
        if text == "ping":
            self.socket.push("pong")
            return
        try:
            await self._envelope(text)
        except FrameRefused as refusal:
            self.socket.count_refusal(refusal)

    async def _envelope(self, text: str) -> None:
        content = _content(text)
        fields: dict[str, Any] = {"key": secrets.token_urlsafe(16), "text": content.get("text")}
        to = content.get("toUserId")
        if isinstance(to, str) and _NUMBER.fullmatch(to):
            to = int(to)
        fields |= {"to": to} if to not in (None, "", 0) else {"room": LOBBY}
        await self.socket.perform("message.send", fields)

    @staticmethod
    def encode(room: RoomRef, event: LogEvent) -> str | None:
        message = msgspec.json.decode(event.text)
        if message["type"] != "message":
            return None
        content = {"fromUserId": event.author, "text": message["text"], "single": room.direct}
        return encode({"type": RECEIVE, "content": encode(content)})

    @staticmethod
    def encode_own(room: RoomRef, event: LogEvent) -> str | None:
        return None if room.direct else InfraDialect.encode(room, event)


def _content(text: str) -> dict[str, Any]:
    try:
        envelope = msgspec.json.decode(text)
        if not isinstance(envelope, dict) or envelope.get("type") != SEND:
            raise BadFrame("not a message to send")
        content = msgspec.json.decode(envelope["content"])
    except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError, TypeError) as error:
        raise BadFrame(f"not an envelope: {error}") from error
    if not isinstance(content, dict):
        raise BadFrame("content is no object")
    return content
