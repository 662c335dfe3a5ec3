"""The frame `search`.

Of a socket's questions only the newest is answered: people ask with each letter they type.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec

from core import pace
from core.errors import Unavailable
from core.newest import NewestQuestion
from core.words import words as _
from db import replica
from db.database import DatabaseUnavailable
from features.search import metrics
from features.search.find import PAGE, PAGE_MAX, Results, find
from features.search.query import LONGEST, check_length
from realtime import server_frames
from realtime.publish import DeferredReply, FrameId, Seq, Slug
from realtime.socket import Socket

# A search costs as much as so many other reads: LIMIT_CALLS_PER_S.
WEIGHT = 5


class Search(msgspec.Struct, tag="search"):
    # Only described: a longer one is refused with too_long.
    query: Annotated[str, msgspec.Meta(extra_json_schema={"maxLength": LONGEST})]
    room: Slug | None = None
    # A seq of the room, or a time.
    before: Seq | datetime | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = PAGE
    id: FrameId = None


class Found(msgspec.Struct):
    """One message that answers a question."""

    room: Slug
    seq: Annotated[int, msgspec.Meta(ge=1)]
    sender: server_frames.Person = msgspec.field(name="from")
    at: datetime = msgspec.field()
    # The whole message up to 500 code points, else an excerpt.
    text: str = msgspec.field()
    # Start and end of each, in code points of `text`.
    highlights: list[tuple[int, int]] = msgspec.field()


class SearchResults(msgspec.Struct, tag="search.results"):
    re: FrameId
    query: str
    results: list[Found]
    more: bool


async def search(socket: Socket, frame: Search) -> DeferredReply:
    check_length(frame.query)
    if (newest := socket.state.get("search")) is None:
        newest = socket.state["search"] = NewestQuestion(functools.partial(_answer, socket.user.id), metrics.OVERTAKEN.inc)
    return DeferredReply(newest.ask(frame), _fields(frame.query))


async def _answer(user: int, frame: Search) -> Results:
    try:
        return await look_up(user, frame.query, frame.room, frame.before, frame.limit)
    except DatabaseUnavailable:
        raise Unavailable(_("the database is away; ask again")) from None


def _fields(query: str) -> Callable[[Results], dict[str, Any]]:
    return lambda found: {"type": "search.results", "query": query, "results": found.results, "more": found.more}


async def look_up(user: int, query: str, room: str | None, before: int | datetime | None, limit: int) -> Results:
    """Search at the person's pace.

    Raises what `find` does, RateLimited and DatabaseUnavailable.
    """
    await pace.calls().wait(user, weight=WEIGHT)
    begun = time.perf_counter()
    try:
        return await replica.run_for(user, lambda: find(user, query, room=room, before=before, limit=limit))
    finally:
        metrics.SECONDS.observe(time.perf_counter() - begun)
