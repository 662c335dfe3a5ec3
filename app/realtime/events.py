"""What travels from a commit to the sockets, and the shapes the hub and the domains share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypedDict

import msgspec

FrameId = str | int | None
"""A client's own name for a frame; it comes back as `re`."""
Slug = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
"""A room's name as a client may write it; rooms.slugs normalises it."""
Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Person(NamedTuple):
    id: int
    name: str

    def wire(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name}


class RoomRef(NamedTuple):
    """A room as the hub knows it: database id, slug on the wire, whether it is a direct room."""

    id: int
    slug: str
    direct: bool


class RoomDetails(TypedDict):
    """The fields of a room that `room.added` and `room.updated` carry."""

    title: str
    kind: str
    private: bool


class Revoked(NamedTuple):
    """A credential that is no longer good, or a room somebody is no longer a member of."""

    id: str
    """Unique over all processes: a hub acts on each once, whether the signal or the poll brought it."""
    user: int
    credential: str = ""
    """One credential, or a kind of them; empty where `room` is given."""
    keep: str = ""
    """The credential of that kind which stays good."""
    room: RoomRef | None = None
    at: float = 0.0
    """UNIX time. Of a kind of credential, what was shown later is another one: the poll may bring this late."""
    reason: str = "removed"
    """Why the membership ended, as `room.left` says it."""

    def hits(self, credential: str, opened_at: float) -> bool:
        if credential == self.credential:
            return True  # whenever it was shown: one that ended never comes back, and hosts' clocks differ
        return credential.partition(":")[0] == self.credential and credential != self.keep and opened_at <= self.at


class LogEvent(NamedTuple):
    """One committed event of a room's log: its wire form without the author's key, encoded once."""

    seq: int
    text: str
    author: int
    key: str

    def for_author(self) -> str:
        """The same frame with `key`, which only the author's own sockets see."""
        return f'{self.text[:-1]},"key":{encode(self.key)}}}'


class Page(NamedTuple):
    """What a join reads: events in wire form, oldest first, as of `head`."""

    head: int
    events: list[LogEvent]
    more: bool
    """Older history exists (fresh join), or the client has to join again (join with `after`)."""
    complete: bool
    """Whether live events may follow this page."""
    member_count: int


class Later(NamedTuple):
    """A reply that is not there yet; the next frame need not wait for it."""

    done: asyncio.Future[Any]
    fields: Callable[[Any], dict[str, Any]]
    """From the result to the reply's fields."""


_encoder = msgspec.json.Encoder()


def encode(value: Any) -> str:
    return _encoder.encode(value).decode()


def frame_of(text: str) -> bytes:
    """A whole unmasked WebSocket text frame (RFC 6455 section 5.2), ready for the transport."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload
