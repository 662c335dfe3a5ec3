"""Finding people. Reads; synchronous."""

from __future__ import annotations

from accounts.models import User
from ops.lookalikes import MAX_MARKS, look_of, mark_flood, shown_text
from realtime.errors import BadFrame, NoSuchTarget

MAX_ALIAS = 64


def person(named: int | str) -> User:
    """The active person of that id, or of that name in any case. Raises NoSuchTarget."""
    found = User.objects.filter(id=named) if isinstance(named, int) else User.objects.by_name(named)
    user = found.filter(is_active=True).first()
    if user is None:
        raise NoSuchTarget(f"there is no person {named!r}")
    return user


def checked_alias(user: int, alias: str) -> str:
    """Return the alias as others see it, "" for none. Raises BadFrame, also for one that looks like another's name."""
    shown = shown_text(alias)
    if len(shown) > MAX_ALIAS or "\0" in alias:
        raise BadFrame(f"a name has at most {MAX_ALIAS} characters and no NUL")
    if mark_flood(shown):
        raise BadFrame(f"a name has at most {MAX_MARKS} marks on a letter")
    if shown and User.objects.filter(look=look_of(shown)).exclude(id=user).exists():
        raise BadFrame("that is the name of somebody else, or looks like it")
    return shown
