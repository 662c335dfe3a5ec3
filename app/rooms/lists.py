"""The frame `list.filter`: the lists of a room as people type.

Features bring lists: `core.features.RoomList`.
"""

from __future__ import annotations

import functools
import time
from typing import Annotated, Any

import msgspec
from prometheus_client import Counter, Histogram

from core import pace
from core.errors import FeatureOff, NoSuchTarget, TooLong, Unavailable
from core.features import RoomList, installed, number_of
from core.newest import NewestQuestion
from core.word_filter import LONGEST
from db import database
from db.database import DatabaseUnavailable
from realtime.publish import DeferredReply, FrameId, Slug, StoredSlug
from realtime.socket import Socket
from rooms import listing, slugs

PAGE, PAGE_MAX = 50, 100
# As a page of messages: common WebSocket clients accept frames of 1 MiB.
PAGE_BYTES = 400_000

SECONDS = Histogram("hubbub_list_filter_seconds", "Looking up one filtered page of a room's list", ["list"])
OVERTAKEN = Counter("hubbub_list_filters_overtaken_total", "Filters whose socket asked again before they were answered")


# Not written out below: there `list` is a field.
Entries = list[dict[str, Any]]


class ListFilter(msgspec.Struct, tag="list.filter"):
    room: Slug
    # people, or a list of a feature.
    list: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    # Only described: a longer one is refused with too_long.
    query: Annotated[str, msgspec.Meta(extra_json_schema={"maxLength": LONGEST})]
    # The `next` of the page before.
    after: Annotated[str, msgspec.Meta(max_length=120)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = PAGE
    id: FrameId = None


class ListPage(msgspec.Struct, tag="list.page"):
    re: FrameId
    room: StoredSlug
    list: str
    query: str
    # In the form of the list's HTTP call.
    items: Entries
    # The next page's `after`; null at the end.
    next: str | None


async def list_filter(socket: Socket, frame: ListFilter) -> DeferredReply:
    """Answer the newest question of the socket about a list."""
    found = _list(frame.list)
    if len(frame.query) > LONGEST:
        raise TooLong(f"query has {len(frame.query)} characters, the limit is {LONGEST}")
    asked: dict[str, NewestQuestion[ListFilter, dict[str, Any]]] = socket.state.setdefault("lists", {})
    if (newest := asked.get(found.name)) is None:
        newest = asked[found.name] = NewestQuestion(functools.partial(_page, socket.user.id, found), OVERTAKEN.inc)
    return DeferredReply(newest.ask(frame), lambda page: page)


def _list(name: str) -> RoomList:
    found = installed().lists.get(name)
    if found is None:
        raise NoSuchTarget(f"there is no list {name!r}")
    if found in installed().refused:
        raise FeatureOff(f"the feature {installed().owner_of(found)} is switched off")
    return found


async def _page(user: int, found: RoomList, frame: ListFilter) -> dict[str, Any]:
    """Look up at the person's pace.

    Raises RateLimited, Unavailable, and the errors of the list.
    """
    await pace.calls().wait(user, weight=pace.HTTP_WEIGHT)
    begun = time.perf_counter()
    try:
        items, more = await database.run_for(user, found.find, user, frame.room, frame.query, frame.after, frame.limit)
    except DatabaseUnavailable:
        raise Unavailable("the database is away; ask again") from None
    finally:
        SECONDS.labels(found.name).observe(time.perf_counter() - begun)
    fitting = _fitting(items)
    more = more or fitting < len(items)
    return {
        "type": "list.page",
        "room": slugs.normalised(frame.room),
        "list": found.name,
        "query": frame.query,
        "items": items[:fitting],
        "next": found.place(items[fitting - 1]) if more and items else None,
    }


def _fitting(items: list[dict[str, Any]]) -> int:
    """Count the first entries that fit into PAGE_BYTES, at least one."""
    size = 0
    for index, item in enumerate(items):
        size += len(msgspec.json.encode(item))
        if index and size > PAGE_BYTES:
            return index
    return len(items)


def _people(user: int, slug: str, query: str, after: str | None, limit: int) -> tuple[list[dict[str, Any]], bool]:
    page = listing.members_of(user, slug, after=number_of(after) or 0, limit=limit, query=query.strip())
    return page.items, page.next is not None


PEOPLE = RoomList("people", find=_people, place=lambda person: str(person["id"]))
