"""The frames of polls.

Each is answered with `stored` once it is committed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from chat.closing import utc
from chat.publish import Key, Target, durable
from features.polls.events import Poll, PollClosed, PollVoted
from realtime.publish import DeferredReply, FrameId, Slug
from realtime.socket import Socket

MAX_OPTIONS = 20

Options = Annotated[list[str], msgspec.Meta(min_length=2, max_length=MAX_OPTIONS)]
Time = Annotated[datetime, msgspec.Meta(tz=True)]
Choices = Annotated[list[Annotated[int, msgspec.Meta(ge=0, lt=MAX_OPTIONS)]], msgspec.Meta(max_length=MAX_OPTIONS)]


class PollCreate(msgspec.Struct, tag="poll.create"):
    room: Slug
    key: Key
    question: str
    options: Options
    multiple: bool = False
    secret: bool = False
    closes_at: Time | None = None
    id: FrameId = None


class PollVote(msgspec.Struct, tag="poll.vote"):
    room: Slug
    key: Key
    target: Target
    choices: Choices
    id: FrameId = None


class PollClose(msgspec.Struct, tag="poll.close"):
    room: Slug
    key: Key
    target: Target
    id: FrameId = None


async def poll_create(socket: Socket, frame: PollCreate) -> DeferredReply:
    poll = Poll(
        question=frame.question.strip(),
        options=[option.strip() for option in frame.options],
        multiple=frame.multiple,
        secret=frame.secret,
        closes_at=utc(frame.closes_at),
    )
    return await durable(socket, frame, poll)


async def poll_vote(socket: Socket, frame: PollVote) -> DeferredReply:
    return await durable(socket, frame, PollVoted(frame.choices))


async def poll_close(socket: Socket, frame: PollClose) -> DeferredReply:
    return await durable(socket, frame, PollClosed())
