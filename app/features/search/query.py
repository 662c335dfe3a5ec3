"""A person's question → what is searched for.

Pure.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, time
from typing import NamedTuple

from core.errors import BadFrame, Empty, TooLong
from core.words import words as _

LONGEST = 200
MOST_TERMS = 8
# A part of a question: an optional filter's name, then a quoted phrase or everything up to the next blank. Phones write curved
# quotes, and Chinese input methods a wide colon.
_PART = re.compile(
    r'(?:(from|in|before|after|has)[:\uff1a])?(?:["\u201c\u201d]([^"\u201c\u201d]*)["\u201c\u201d]?|(\S+))?', re.IGNORECASE
)


class Question(NamedTuple):
    """Each term must be in the message, as a part of it, in any case."""

    # In lower case, composed (NFC), without blanks at either end. A phrase holds single blanks.
    terms: tuple[str, ...] = ()
    author: str | None = None
    room: str | None = None
    # Sent before this moment, and not before that one.
    before: datetime | None = None
    after: datetime | None = None
    has_file: bool = False


def check_length(query: str) -> None:
    """Raise TooLong for a query above LONGEST."""
    if len(query) > LONGEST:
        raise TooLong(_("query has {count} characters, the limit is {most}", count=len(query), most=LONGEST))


def parse(query: str) -> Question:
    """Read the words, phrases and filters of a query.

    For example `words "a phrase" from:ada in:lobby before:2026-11-30 after:2026-11-01 has:file`.

    A filter without a value yet is left out, for people type one letter after the other. Dates are UTC's; before: excludes its
    day, after: includes it. Raises Empty if nothing is asked for, TooLong, and BadFrame for a value that cannot be read.
    """
    check_length(query)
    terms: list[str] = []
    filters: dict[str, str] = {}
    for name, value in _parts(query):
        if name and value and filters.setdefault(name, value) != value:
            raise BadFrame(_("{filter}: is given twice", filter=name))
        if not name and (term := _term(value)) and term not in terms:
            terms.append(term)
    if len(terms) > MOST_TERMS:
        raise BadFrame(
            _("query has {count} words, the limit is {most}; phrases in quotes count as one", count=len(terms), most=MOST_TERMS)
        )
    if filters.get("has", "file") != "file":
        raise BadFrame(_("has: takes file, not {value}", value=repr(filters["has"][:64])))
    found = Question(
        terms=tuple(terms),
        author=filters.get("from"),
        room=filters.get("in"),
        before=_moment("before", filters.get("before")),
        after=_moment("after", filters.get("after")),
        has_file="has" in filters,
    )
    if found == Question():
        raise Empty(_("query is empty"))
    return found


def _parts(query: str) -> list[tuple[str, str]]:
    """Return (filter's name or "", value) of each part."""
    found = []
    for part in _PART.finditer(query):
        name, phrase, word = part[1] or "", part[2], part[3]
        value = phrase if phrase is not None else word or ""
        if name or value:
            found.append((name.lower(), value.strip()))
    return found


def _term(value: str) -> str:
    return " ".join(lowered(unicodedata.normalize("NFC", value)).replace("\0", " ").split())


def lowered(text: str) -> str:
    """Return the text in lower case, each character at the place it had."""
    whole = text.lower()
    if len(whole) == len(text):
        return whole
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)


def _moment(name: str, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        if len(value) <= 10:  # 2026-11-30
            return datetime.combine(date.fromisoformat(value), time(), UTC)
        return in_utc(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        value = repr(value[:64])
        raise BadFrame(_("{filter}: takes a date such as 2026-11-30, not {value}", filter=name, value=value)) from None


def in_utc(at: datetime) -> datetime:
    """Return a time in UTC, which it is in without a zone of its own.

    Raises OverflowError where UTC has no such time: the first and the last day that there are, in another zone.
    """
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
