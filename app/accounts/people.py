"""Finding people. Reads; synchronous."""

from __future__ import annotations

from accounts.models import User
from realtime.errors import NoSuchTarget


def person(named: int | str) -> User:
    """The active person of that id, or of that name in any case. Raises NoSuchTarget."""
    found = User.objects.filter(id=named) if isinstance(named, int) else User.objects.by_name(named)
    user = found.filter(is_active=True).first()
    if user is None:
        raise NoSuchTarget(f"there is no person {named!r}")
    return user
