"""Find the messages that a person may read and that answer a question.

Synchronous, in a database thread.
"""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Q

from accounts.models import User
from accounts.names import key_of
from chat.kinds import KINDS
from chat.models import Event
from chat.publish import summary_of
from core.errors import BadFrame, NoSuchRoom
from core.features import installed
from core.words import words as _
from db import replica
from features.search import find_plain, find_postgres
from features.search.matching import Match, excerpt, match
from features.search.query import in_utc, parse
from features.search.wanted import Found, Wanted
from rooms import access, slugs
from rooms.models import Membership

PAGE, PAGE_MAX = 20, 100
# Rooms that are searched, those with the longest logs for a person who is in more.
MOST_ROOMS = 5_000
# Things of each feature beside the messages.
MOST_THINGS = 50
Before = int | datetime | None


class Results(NamedTuple):
    results: list[dict[str, Any]]
    more: bool


def find(user: int, query: str, *, room: str | None = None, before: Before = None, limit: int = PAGE) -> Results:
    """Return the best matches, or with `before` the newest ones before it.

    `before`: a time, or a seq of `room`. Raises Empty, BadFrame, NoSuchRoom or NotAMember.
    """
    wanted = _wanted(user, query, room, before, limit)
    if wanted is None:
        return Results([], False)
    with replica.reading():
        return _results(wanted, before, limit)


def _results(wanted: Wanted, before: Before, limit: int) -> Results:
    search = find_postgres.search if connection.vendor == "postgresql" else find_plain.search
    rows, more = search(wanted)
    things, more_things = _things(wanted)
    rows = sorted([*rows, *things], key=lambda row: -row.id)
    matches = [(row, found) for row in rows if (found := match(row.text, wanted.question.terms)) is not None]
    if before is None:
        matches.sort(key=lambda one: (-one[1].score, -one[0].id))
    page = _page(matches, limit, by_time=isinstance(before, datetime))
    words = _words_of([row.id for row, _ in page if not row.text])
    page = [(row._replace(text=row.text or words.get(row.id, "")), found) for row, found in page]
    may_be_more = more or more_things or len(matches) > len(page)
    # Without a result there is none to go on from.
    return Results([_shown(row, found, wanted.rooms) for row, found in page], may_be_more and (before is None or bool(page)))


def _things(wanted: Wanted) -> tuple[list[Found], bool]:
    """Return things such as notes whose texts hold all terms.

    The second value says whether there may be more.
    """
    question, features = wanted.question, installed()
    if question.has_file or not question.terms:
        return [], False
    sources = [source for feature in features.all if feature.name not in features.off for source in feature.searched]
    found = [source(list(wanted.rooms), question.terms, MOST_THINGS) for source in sources]
    texts = {(room, seq): text for things in found for room, seq, text in things}
    if not texts:
        return [], False
    events = Event.objects.filter(reduce(or_, (Q(room_id=room, seq=seq) for room, seq in texts)))
    events = find_plain.narrowed(events, wanted)
    rows = events.values_list("id", "room_id", "seq", "author_id", "author__username", "at")
    more = any(len(things) >= MOST_THINGS for things in found)
    return [Found(*row, texts[row[1], row[2]]) for row in rows], more


def _words_of(ids: list[int]) -> dict[int, str]:
    """Return what stands for the text of messages without one, by id."""
    found = Event.objects.filter(id__in=ids).values_list("id", "data") if ids else ()
    return {number: summary_of("", data) for number, data in found}


def _wanted(user: int, query: str, room: str | None, before: Before, limit: int) -> Wanted | None:
    """Return the query for the database; None if nothing can be found."""
    question = parse(query)
    if isinstance(before, int) and room is None and question.room is None:
        raise NoSuchRoom(_("before: a seq needs a room"))
    if isinstance(before, datetime):
        try:
            moment = in_utc(before)
        except OverflowError:
            raise BadFrame(_("before is out of range")) from None
        question = question._replace(before=min(moment, question.before or moment))
    rooms = _rooms(user, {slug for slug in (room, question.room) if slug is not None})
    author = None
    if question.author is not None:
        author = User.objects.filter(name_key=key_of(question.author)).values_list("id", flat=True).first()
    if not rooms or (question.author is not None and author is None):
        return None
    kinds = [kind.name for kind in KINDS if kind.listed and kind.has_text]
    return Wanted(question, rooms, kinds, author, before if isinstance(before, int) else None, before is not None, limit)


def _rooms(user: int, named: set[str]) -> dict[int, str]:
    """Return id and slug of the rooms to search.

    Raises NoSuchRoom or NotAMember for a named one.
    """
    if not named:
        mine = Membership.objects.filter(user_id=user, room__closed=False).order_by("-room__head")
        return dict(mine.values_list("room_id", "room__slug")[:MOST_ROOMS])
    if len({slugs.normalised(slug) for slug in named}) > 1:
        return {}
    room = access.membership_in(user, named.pop()).room
    return {room.id: room.slug}


def _page(matches: list[tuple[Found, Match]], limit: int, *, by_time: bool) -> list[tuple[Found, Match]]:
    """Return the first ones.

    A page by time ends between two times: `before` could not name a place within one.
    """
    page = matches[:limit]
    if by_time and len(matches) > limit and page[-1][0].at == matches[limit][0].at:
        return [one for one in page if one[0].at > page[-1][0].at] or page
    return page


def _shown(row: Found, found: Match, rooms: dict[int, str]) -> dict[str, Any]:
    text, highlights = excerpt(row.text, found.spans)
    return {
        "room": rooms[row.room],
        "seq": row.seq,
        "from": {"id": row.author, "name": row.author_name},
        "at": row.at,
        "text": text,
        "highlights": highlights,
    }
