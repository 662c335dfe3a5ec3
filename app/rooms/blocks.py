"""Blocks between people.

Synchronous, in a database thread.
"""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from core.errors import Forbidden, NoSuchTarget, RateLimited
from core.words import words as _
from rooms import slugs
from rooms.models import Block, Membership

BLOCKS = 1_000


def block_add(*, user: int, blocked: int) -> None:
    """Block a person.

    Raises Forbidden for oneself, RateLimited above BLOCKS.
    """
    if user == blocked:
        raise Forbidden(_("you cannot block yourself"))
    with transaction.atomic():
        pair_lock(user, blocked)
        if Block.objects.filter(user_id=user).count() >= BLOCKS:
            raise RateLimited(_("you can block at most {most} people", most=BLOCKS), retry_after=3600)
        Block.objects.get_or_create(user_id=user, blocked_id=blocked)
        _silence(user, blocked, silenced=True)


def block_remove(*, user: int, blocked: int) -> None:
    """Remove a block.

    Raises NoSuchTarget if there is none.
    """
    with transaction.atomic():
        pair_lock(user, blocked)
        if not Block.objects.filter(user_id=user, blocked_id=blocked).delete()[0]:
            raise NoSuchTarget(_("that person is not blocked"))
        _silence(user, blocked, silenced=False)


def is_blocked(*, by: int, user: int) -> bool:
    """Return whether `by` has blocked `user`."""
    return Block.objects.filter(user_id=by, blocked_id=user).exists()


def pair_lock(one: int, other: int) -> None:
    """Serialize decisions between two people: blocks and their direct room.

    Messages are not delayed.
    """
    list(User.objects.select_for_update(no_key=True).filter(id__in=(one, other)).order_by("id").values_list("id"))


def _silence(user: int, blocked: int, *, silenced: bool) -> None:
    Membership.objects.filter(room__slug=slugs.direct(user, blocked), user_id=blocked).update(silenced=silenced)
