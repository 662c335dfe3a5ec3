"""The open polls of a room, filtered as people type.

Synchronous, in a database thread.
"""

from __future__ import annotations

from typing import Any

from chat.publish import Thing, things_holding
from core.features import RoomList, number_of
from core.word_filter import words_of
from features.polls.events import Poll, shown


def listed(poll: Thing) -> dict[str, Any]:
    """Return a poll as its event carries it."""
    return {"room": poll.room.slug, "seq": poll.seq, "from": poll.author.wire(), "at": poll.at, **shown(poll.state)}


def _find(user: int, slug: str, query: str, after: str | None, limit: int) -> tuple[list[dict[str, Any]], bool]:
    """The question and the options are compared."""
    place, texts = number_of(after), ("question", "options")
    found = things_holding(user, slug, Poll, words_of(query), texts, before=place, limit=limit + 1, data__closed=False)
    return [listed(poll) for poll in found[:limit]], len(found) > limit


POLLS = RoomList("polls", find=_find, place=lambda poll: str(poll["seq"]))
