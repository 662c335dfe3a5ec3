"""The frames that the server sends on a native socket, as structs.

`make protocol` writes documents and TypeScript from them.
`re` is the `id` of the frame that is answered. Optional fields are absent where they say nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from realtime.events import FrameId, Seq, StoredSlug

Count = Annotated[int, Meta(ge=0)]
Kind = Literal["public", "private", "direct"]
Title = Annotated[str, Meta(max_length=120)]
Time = Annotated[datetime, Meta(tz=True)]
# Of the logs (db/installation.py).
Epoch = Annotated[str, Meta(max_length=16)]
# An encoded event of a log, and an event in history.
LogEvent = Annotated[dict[str, Any], Meta(extra_json_schema={"x-name": "LogEvent"})]
Listed = Annotated[dict[str, Any], Meta(extra_json_schema={"x-name": "Listed"})]


class Person(msgspec.Struct):
    id: Annotated[int, Meta(ge=0)]
    name: Annotated[str, Meta(max_length=64)]


class Limits(msgspec.Struct):
    text: int
    frame: int
    rate: Count


class Hello(msgspec.Struct, tag="hello"):
    protocol: Literal[1]
    user: Person
    heartbeat: Annotated[int, Meta(ge=1)]
    limits: Limits
    epoch: Epoch
    features: list[str]
    stream: str | UnsetType = UNSET


class Ok(msgspec.Struct, tag="ok"):
    re: FrameId


class Pong(msgspec.Struct, tag="pong"):
    re: FrameId


class ErrorFrame(msgspec.Struct, tag="error"):
    re: FrameId
    code: Annotated[str, Meta(extra_json_schema={"x-name": "ErrorCode"})]
    message: Annotated[str, Meta(min_length=1)]


class RoomJoined(msgspec.Struct, tag="room.joined"):
    re: FrameId
    room: StoredSlug
    head: Seq
    events: Annotated[list[LogEvent], Meta(max_length=200)]
    more: bool
    member_count: Count
    online_count: Count
    online: Annotated[list[Person], Meta(max_length=100)]
    away: Annotated[list[int], Meta(max_length=100)]
    epoch: Epoch


class Presence(msgspec.Struct, tag="presence"):
    room: StoredSlug
    online_count: Count
    joined: list[Person]
    left: list[Person]
    away: Annotated[list[int], Meta(min_length=1)] | UnsetType = UNSET
    back: Annotated[list[int], Meta(min_length=1)] | UnsetType = UNSET


class Read(msgspec.Struct, tag="read"):
    room: StoredSlug
    user: Person
    upto: Seq


class Unread(msgspec.Struct, tag="unread"):
    room: StoredSlug
    head: Seq
    upto: Seq
    count: Count
    mentions: Count


class RoomAdded(msgspec.Struct, tag="room.added"):
    room: StoredSlug
    title: Title
    kind: Kind
    private: bool
    head: Seq
    upto: Seq


class RoomUpdated(msgspec.Struct, tag="room.updated"):
    room: StoredSlug
    title: Title
    kind: Kind
    private: bool


class RoomLeft(msgspec.Struct, tag="room.left"):
    room: StoredSlug
    reason: Literal["removed", "left", "deleted"]


class UserUpdated(msgspec.Struct, tag="user.updated"):
    user: Person


class BlocksUpdated(msgspec.Struct, tag="blocks.updated"):
    pass


class FeaturesUpdated(msgspec.Struct, tag="features.updated"):
    features: list[str]


class Gap(msgspec.Struct, tag="gap"):
    room: StoredSlug
    head: Seq


class Drain(msgspec.Struct, tag="drain"):
    after_ms: Count


class Stored(msgspec.Struct, tag="stored"):
    re: FrameId
    room: StoredSlug
    seq: Seq
    at: Time
    duplicate: bool


class MessageSent(msgspec.Struct, tag="message.sent"):
    re: FrameId
    room: StoredSlug
    seq: Seq
    at: Time
    duplicate: bool


class HistoryPage(msgspec.Struct, tag="history.page"):
    re: FrameId
    room: StoredSlug
    messages: Annotated[list[Listed], Meta(max_length=200)]
    more: bool


FRAMES: tuple[type[msgspec.Struct], ...] = (
    Hello, RoomJoined, MessageSent, Stored, HistoryPage, Ok, Pong, ErrorFrame, Presence, Read, Unread, RoomAdded, RoomUpdated,
    RoomLeft, UserUpdated, BlocksUpdated, FeaturesUpdated, Gap, Drain,
)  # fmt: skip
