"""When polls, surveys and other things with an end close, and who may close them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.errors import BadFrame
from core.features import Context
from core.words import words as _

LONGEST = timedelta(days=366)


def utc(at: datetime | None) -> datetime | None:
    """Return a client's `closes_at` in UTC.

    Raises BadFrame.
    """
    try:
        return at and at.astimezone(UTC)
    except OverflowError as error:
        raise BadFrame(_("closes_at is out of range")) from error


def check_closing(closes_at: datetime | None, context: Context) -> None:
    """Raise BadFrame for a time that has passed or is too far away."""
    if closes_at is None:
        return
    if closes_at <= context.at:
        raise BadFrame(_("closes_at is in the past"))
    if closes_at > context.at + LONGEST:
        raise BadFrame(_("closes_at is more than {most} days away", most=LONGEST.days))


def has_closed(closed: bool, closes_at: datetime | None, context: Context) -> bool:
    """Return whether it takes no more answers.

    The event that closes it may come seconds after its time.
    """
    return closed or (closes_at is not None and closes_at <= context.at)


def may_close(author: int, context: Context) -> bool:
    """Return whether this person may close it.

    Its author, the room's owners and the server may.
    """
    return author == context.target_author or context.is_owner
