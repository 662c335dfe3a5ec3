"""GET /api/search, and the message at a date."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import AfterValidator, BeforeValidator, Field

from accounts.http_auth import authenticated, person_of
from db import database
from features.search.dates import first_since
from features.search.find import PAGE, PAGE_MAX
from features.search.frames import look_up
from features.search.query import LONGEST, in_utc

router = Router(tags=["search"], auth=authenticated)


def _no_number(value: Any) -> Any:
    """Refuse the number of seconds that pydantic would take for a time.

    Without an offset it is UTC's.
    """
    if isinstance(value, str) and "-" not in value[1:]:
        raise ValueError("takes a time such as 2026-11-30T12:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return in_utc(value)
    except OverflowError:
        raise ValueError("is out of range") from None


Time = Annotated[datetime, BeforeValidator(_no_number), AfterValidator(_in_utc)]
Seq = Annotated[int, Field(ge=0, le=2**53)]
Query = Annotated[str, Field(min_length=1, max_length=LONGEST, pattern=r"^[^\x00]*$")]
# Without NUL, which Postgres refuses.
Slug = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, Field(ge=1, le=PAGE_MAX)]


class Author(Schema):
    id: int
    name: str


class Result(Schema):
    room: str
    seq: int
    author: Author = Field(alias="from")
    at: datetime
    text: str
    highlights: list[tuple[int, int]]


class Results(Schema):
    query: str
    results: list[Result]
    more: bool


class Place(Schema):
    room: str
    seq: int


@router.get("/search", response=Results, by_alias=True, summary="Search the messages of my rooms")
async def search(
    request: HttpRequest, query: Query, room: Slug | None = None, before: Seq | Time | None = None, limit: Limit = PAGE
) -> dict[str, Any]:
    """The best matches.

    With `before` (a time, or a seq of `room`) the newest ones before it.

    In the query: `"a phrase"`, `from:name`, `in:room`, `before:date`, `after:date`, `has:file`.
    """
    person = person_of(request)
    found = await look_up(person.id, query, room, before, limit)
    return {"query": query, "results": found.results, "more": found.more}


@router.get("/rooms/{slug}/date", response=Place, summary="The first message since a time")
async def date(request: HttpRequest, slug: str, since: Time) -> dict[str, Any]:
    """`seq` of the first event at or after `since`; head + 1 if there is none."""
    person = person_of(request)
    return await database.run_for(person.id, first_since, person.id, slug, since)
