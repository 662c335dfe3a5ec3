"""Find people.

Reads; synchronous.
"""

from __future__ import annotations

from collections.abc import Iterable

from accounts.models import User
from accounts.services import session_mark
from core.errors import BadFrame, NoSuchTarget, TooLong
from core.lookalikes import MAX_MARKS, look_of, mark_flood, shown_text
from core.words import words as _
from realtime.publish import PersonNow

MAX_ALIAS = 64


def people_now(ids: set[int]) -> dict[int, PersonNow]:
    """Return the existing people among `ids`, with the mark of their sessions."""
    found = User.objects.filter(id__in=ids).values_list("id", "username", "is_active", "password")
    return {user: PersonNow(name, active, session_mark(password)) for user, name, active, password in found}


def names_of(ids: Iterable[int]) -> dict[int, str]:
    """Map each existing person among `ids` to the name."""
    return dict(User.objects.filter(id__in=list(ids)).values_list("id", "username"))


def find_user(named: int | str) -> User:
    """Return the active person with this id, or this name in any case.

    Raises NoSuchTarget.
    """
    found = User.objects.filter(id=named) if isinstance(named, int) else User.objects.by_name(named)
    user = found.filter(is_active=True).first()
    if user is None:
        raise NoSuchTarget(_("there is no person {name}", name=repr(named)))
    return user


def checked_alias(user: int, alias: str) -> str:
    """Return the alias as others see it, "" for none.

    Raises TooLong, or BadFrame, also for an alias that looks like another person's name.
    """
    shown = shown_text(alias)
    is_long = max(len(alias), len(shown)) > MAX_ALIAS
    if is_long or "\0" in alias:
        raise (TooLong if is_long else BadFrame)(_("a name has at most {most} characters and no NUL", most=MAX_ALIAS))
    if mark_flood(shown):
        raise BadFrame(_("a name has at most {most} marks on a letter", most=MAX_MARKS))
    if shown and User.objects.filter(look=look_of(shown)).exclude(id=user).exists():
        raise BadFrame(_("that is another person's name, or looks like it"))
    return shown
