"""What travels from a commit to the sockets, and the shapes the hub and the domains share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypedDict

import msgspec

# A client's own name for a frame; it comes back as `re`.
FrameId = str | int | None
# A room's name as a client may write it; rooms.slugs normalises it.
Slug = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
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

    user: int
    # Empty where `room` is given.
    credential: str = ""
    room: RoomRef | None = None
    # Why the membership ended, as `room.left` says it.
    reason: str = "removed"


def credential_name(credential: str) -> str:
    """The kind and the name of a credential, without the mark of the password behind a session."""
    return ":".join(credential.split(":", 2)[:2])


class JournalRow(NamedTuple):
    """A line of the journal (app/changes), or a new membership as one."""

    id: int
    kind: str
    user: int
    room: int
    detail: str


class News(NamedTuple):
    """What one read of the journal brings."""

    rows: list[JournalRow]
    added: list[JournalRow]
    # Keys of sessions that ran out.
    expired: list[str]


class PersonNow(NamedTuple):
    """A person as the database has them."""

    name: str
    active: bool
    # Sessions whose credential ends with another mark are older than the password.
    mark: str


class RoomNow(NamedTuple):
    """A room as the database has it."""

    ref: RoomRef
    details: RoomDetails
    head: int


class State(NamedTuple):
    """What the database holds of the people and rooms that changed."""

    people: dict[int, PersonNow]
    # Of each renamed person the rooms they are a member of.
    rooms_of: dict[int, list[int]]
    rooms: dict[int, RoomNow]
    # Memberships: the room first, then the person.
    members: set[tuple[int, int]]


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
    # Older history exists (fresh join), or the client has to join again (join with `after`).
    more: bool
    # Whether live events may follow this page.
    complete: bool
    member_count: int


class DeferredReply(NamedTuple):
    """A reply that is not there yet; the next frame need not wait for it."""

    done: asyncio.Future[Any]
    # From the result to the reply's fields.
    fields: Callable[[Any], dict[str, Any]]


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
