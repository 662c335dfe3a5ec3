"""Types that hub and domains share: events, rooms and the news of a commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypedDict
from unicodedata import normalize

import msgspec

# A client's own name for a frame; the reply carries it as `re`.
FrameId = Annotated[str | int | None, msgspec.Meta(extra_json_schema={"x-name": "FrameId"})]
# A room's name as a client may write it; rooms.slugs normalises it.
Slug = Annotated[str, msgspec.Meta(min_length=1, max_length=256, extra_json_schema={"x-name": "SlugAsWritten"})]
# The same as the server says it.
StoredSlug = Annotated[str, msgspec.Meta(extra_json_schema={"x-name": "Slug"})]
Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53, extra_json_schema={"x-name": "Seq"})]

# Rooms whose news a person's sockets get, the most recently active; the list of rooms has the others'.
WATCHED_ROOMS = 500


def folded(slug: str) -> str:
    """Return a slug in its stored form."""
    return normalize("NFC", normalize("NFC", slug).casefold())


class Person(NamedTuple):
    id: int
    name: str

    def wire(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name}


class RoomRef(NamedTuple):
    """A room as the hub knows it: its database id, slug on the wire, direct or not."""

    id: int
    slug: str
    direct: bool


class RoomDetails(TypedDict):
    """The fields of a room that `room.added` and `room.updated` carry."""

    title: str
    kind: str
    private: bool


class Revoked(NamedTuple):
    """A credential that was revoked, or a room that a user has left."""

    user: int
    # Empty if `room` is given.
    credential: str = ""
    room: RoomRef | None = None
    # Why the membership ended, as `room.left` says it.
    reason: str = "removed"


def credential_name(credential: str) -> str:
    """Return kind and name of a credential, without the password mark of a session."""
    return ":".join(credential.split(":", 2)[:2])


class JournalRow(NamedTuple):
    """A row of the journal (app/changes), or a new membership in the same form."""

    id: int
    kind: str
    user: int
    room: int
    detail: str


class News(NamedTuple):
    """The result of one read of the journal."""

    rows: list[JournalRow]
    added: list[JournalRow]
    # Keys of expired sessions.
    expired: list[str]


class PersonNow(NamedTuple):
    """A user's current row in the database."""

    name: str
    active: bool
    # A session with another mark was opened before the last change of the password.
    mark: str


class RoomNow(NamedTuple):
    """A room's current row in the database."""

    ref: RoomRef
    details: RoomDetails
    head: int


class State(NamedTuple):
    """Current rows of the people and rooms that changed."""

    people: dict[int, PersonNow]
    # Rooms of each renamed person.
    rooms_of: dict[int, list[int]]
    rooms: dict[int, RoomNow]
    # Memberships as (room, person).
    members: set[tuple[int, int]]


class Head(NamedTuple):
    """The end of a room's log, and how many of its events do not count as unread."""

    seq: int
    uncounted: int = 0


class LogEvent(NamedTuple):
    """One committed event of a room's log, encoded once.

    `text` is its wire form without the author's key.
    """

    seq: int
    text: str
    author: int
    key: str
    # Whether it makes the room unread.
    counts: bool = True

    def for_author(self) -> str:
        """Return the same frame with `key`, for the author's own sockets only."""
        return f'{self.text[:-1]},"key":{encode(self.key)}}}'


class Page(NamedTuple):
    """The result of reading for a join: encoded events, oldest first, as of `head`."""

    head: int
    events: list[LogEvent]
    # Older history exists (fresh join), or the client must join again (join with `after`).
    more: bool
    # Whether live events may follow this page.
    complete: bool
    member_count: int


class DeferredReply(NamedTuple):
    """A reply that is sent later; the next frame need not wait for it."""

    done: asyncio.Future[Any]
    # Converts the result to the reply's fields.
    fields: Callable[[Any], dict[str, Any]]


_encoder = msgspec.json.Encoder()


def encode(value: Any) -> str:
    return _encoder.encode(value).decode()


_TYPE = len('{"type":"')


def kind_of(text: str) -> str:
    """Return the type of an encoded event, which stands first in it."""
    return text[_TYPE : text.index('"', _TYPE)]
