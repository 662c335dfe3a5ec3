"""The room dialect of /ws/chat/<room>/.

It has the shape of the chat tutorials, and plain lines for websocat.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from core.errors import BadFrame, FrameRefused, NotAMember, RoomRefused
from realtime.dialects.base import Dialect
from realtime.events import LogEvent, RoomRef, encode
from realtime.ports import domains
from realtime.protocol import syntax_error

LOBBY = "lobby"
NAME_COMMAND = "/name "


class RoomDialect(Dialect):
    name = "room"
    alias = ""

    async def open(self) -> None:
        try:
            room = await domains().enter_room(self.socket.user, self.room or LOBBY)
        except FrameRefused as refusal:
            raise RoomRefused(refusal.message) from refusal
        self.room = room.slug
        await self.socket.attach([room])

    async def text(self, text: str) -> None:
        try:
            await self._line(text)
        except NotAMember as refusal:
            raise RoomRefused(refusal.message) from refusal
        except FrameRefused as refusal:
            self.socket.count_refusal(refusal)
            self.socket.push(encode({"error": refusal.message, "code": refusal.code}))

    async def _line(self, text: str) -> None:
        message = _object_message(text)
        if message is None:
            message = text.rstrip("\r\n")
            if message.startswith(NAME_COMMAND):
                await self._name(message.removeprefix(NAME_COMMAND))
                return
        fields: dict[str, Any] = {"room": self.room, "key": secrets.token_urlsafe(16), "text": message}
        if self.alias:
            fields["alias"] = self.alias
        await self.socket.perform("message.send", fields)

    async def _name(self, alias: str) -> None:
        await domains().set_alias(self.socket, alias)
        self.alias = self.socket.alias[1]

    @staticmethod
    def encode(room: RoomRef, event: LogEvent) -> str | None:
        message = msgspec.json.decode(event.text)
        if message["type"] != "message":
            return None
        out = {"message": message["text"], "user": message["from"]["name"], "seq": event.seq}
        if message.get("alias"):
            out["name"] = message["alias"]
        return encode(out)

    encode_own = encode


def _object_message(text: str) -> str | None:
    """Return the `message` of a JSON object; None if the text is no JSON object.

    Raises BadFrame for an object without `message`.
    """
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        refusal = syntax_error(text, error)
        if isinstance(refusal, BadFrame) and text.lstrip().startswith("{"):
            raise refusal from error
        return None
    if not isinstance(value, dict):
        return None
    message = value.get("message")
    if not isinstance(message, str):
        raise BadFrame('an object needs a text "message"')
    return message
