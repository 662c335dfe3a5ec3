"""The frame `search`. Of a socket's questions only the newest is answered: people ask with each letter they type."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec

from core import pace
from core.errors import FrameRefused, Unavailable
from db import replica
from db.database import DatabaseUnavailable
from features.search import metrics
from features.search.find import PAGE, PAGE_MAX, Results, find
from features.search.query import LONGEST
from realtime import server_frames
from realtime.publish import DeferredReply, FrameId, Seq, Slug
from realtime.socket import Socket

# A search costs as much as so many other reads: LIMIT_CALLS_PER_S.
WEIGHT = 5


class Overtaken(FrameRefused):
    """A newer question of the same socket took the place of this one."""

    code = "overtaken"
    status = 409


class Search(msgspec.Struct, tag="search"):
    query: Annotated[str, msgspec.Meta(max_length=LONGEST)]
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


class _NewestQuery:
    """The questions of one socket: one is looked up, and the newest one waits."""

    def __init__(self, user: int) -> None:
        self._user = user
        self._newest: tuple[Search, asyncio.Future[Results]] | None = None
        self._task: asyncio.Task[None] | None = None

    def ask(self, frame: Search) -> asyncio.Future[Results]:
        if self._newest is not None and not self._newest[1].done():
            metrics.OVERTAKEN.inc()
            self._newest[1].set_exception(Overtaken("a newer question took its place"))
        answer: asyncio.Future[Results] = asyncio.get_running_loop().create_future()
        self._newest = (frame, answer)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return answer

    async def _work(self) -> None:
        while self._newest is not None and not self._newest[1].done():
            frame, answer = self._newest
            found: Results | Exception
            try:
                found = await look_up(self._user, frame.query, frame.room, frame.before, frame.limit)
            except DatabaseUnavailable:
                found = Unavailable("the database is away; ask again")
            except Exception as error:  # noqa: BLE001  # the socket answers, or logs it
                found = error
            if answer.done():
                continue
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)


async def search(socket: Socket, frame: Search) -> DeferredReply:
    newest: _NewestQuery = socket.state.setdefault("search", _NewestQuery(socket.user.id))
    return DeferredReply(newest.ask(frame), _fields(frame.query))


def _fields(query: str) -> Callable[[Results], dict[str, Any]]:
    return lambda found: {"type": "search.results", "query": query, "results": found.results, "more": found.more}


async def look_up(user: int, query: str, room: str | None, before: int | datetime | None, limit: int) -> Results:
    """Search at the person's pace. Raises what `find` does, RateLimited and DatabaseUnavailable."""
    await pace.calls().wait(user, weight=WEIGHT)
    begun = time.perf_counter()
    try:
        return await replica.run_for(user, lambda: find(user, query, room=room, before=before, limit=limit))
    finally:
        metrics.SECONDS.observe(time.perf_counter() - begun)
