"""A note in a client: a document of pycrdt, and a socket that has it open."""

import base64
import secrets
from typing import Any

from pycrdt import Doc, Text

from tests.support.chat_client import ChatClient, Frame


def packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Copy:
    """One person's document, with the updates that were not sent yet."""

    def __init__(self) -> None:
        self.doc: Doc[Any] = Doc()
        self.text = self.doc.get("text", type=Text)
        self.unsent: list[bytes] = []
        self._quiet = False
        self._subscription = self.doc.observe(self._changed)

    def _changed(self, event: Any) -> None:
        if not self._quiet:
            self.unsent.append(event.update)

    def apply(self, update: bytes) -> None:
        self._quiet = True
        self.doc.apply_update(update)
        self._quiet = False

    def write(self, text: str, at: int | None = None) -> None:
        """Insert a text at a byte, by default at the end."""
        self.text.insert(len(self.text) if at is None else at, text)

    def missing(self, vector: bytes) -> bytes:
        return self.doc.get_update(vector)

    def __str__(self) -> str:
        return str(self.text)


class Editor(Copy):
    """A copy that a socket keeps up to date."""

    def __init__(self, chat: ChatClient, room: str, note: int) -> None:
        super().__init__()
        self.chat, self.room, self.note = chat, room, note

    async def open(self) -> Frame:
        """Open the note, read the missing updates, and send the server its own."""
        reply = await self.chat.request("note.open", room=self.room, note=self.note, vector=packed(self.doc.get_state()))
        self.apply(base64.b64decode(reply["update"]))
        self.unsent = [self.missing(base64.b64decode(reply["vector"]))]
        await self.flush()
        return reply

    async def flush(self) -> None:
        """Send every unsent update, each until it is stored."""
        for update in self.unsent:
            await self.send(update)
        self.unsent.clear()

    async def send(self, update: bytes) -> Frame:
        return await self.chat.request("note.update", room=self.room, note=self.note, update=packed(update))

    async def type(self, text: str, at: int | None = None) -> None:
        self.write(text, at)
        await self.flush()

    async def until(self, text: str, *, timeout: float = 5.0) -> None:
        """Read pushes until the text is so."""
        while str(self) != text:
            frame = await self.chat.expect("note.update", room=self.room, note=self.note, timeout=timeout)
            self.apply(base64.b64decode(frame["update"]))

    def read_pushed(self) -> bool:
        """Apply the pushes that have arrived.

        Return whether anything changed.
        """
        before = str(self)
        for frame in self.chat.pending_frames("note.update"):
            self.apply(base64.b64decode(frame["update"]))
        return str(self) != before


async def note_in(chat: ChatClient, room: str, title: str = "Plan") -> int:
    """Make a note and return its seq."""
    stored = await chat.request("note.create", room=room, title=title, key=secrets.token_hex(8))
    return int(stored["seq"])
