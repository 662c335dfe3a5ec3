"""One background worker at a time does a sweep; another takes over when it dies.

Synchronous, in a database thread.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from features.notifications.models import Cursor

# After so long without a sign of life another process takes over.
HELD = timedelta(seconds=15)
# One process, unique beyond its machine.
_holder = secrets.token_hex(8)


def hold(name: str, begin: datetime) -> datetime | None:
    """Take or keep the lease of a sweep, and return how far the sweep has come.

    Each call renews the lease, so a sweep begins with the whole of it. Return None while another process has the lease.
    `begin`: the start of a sweep that has never run.
    """
    now = timezone.now()
    found = Cursor.objects.filter(name=name).first()
    if found is None:
        try:
            with transaction.atomic():
                Cursor.objects.create(name=name, at=begin, holder=_holder, held_until=now + HELD)
        except IntegrityError:
            return None
        return begin
    free = Q(holder=_holder) | Q(held_until__isnull=True) | Q(held_until__lt=now)
    taken = Cursor.objects.filter(free, name=name).update(holder=_holder, held_until=now + HELD)
    return found.at if taken else None


def renew(name: str) -> bool:
    """Keep the lease while a sweep works; return False if another process has it."""
    return bool(Cursor.objects.filter(name=name, holder=_holder).update(held_until=timezone.now() + HELD))


def move(name: str, to: datetime) -> None:
    """Note how far the sweep has come, and keep the lease."""
    Cursor.objects.filter(name=name, holder=_holder).update(at=to, held_until=timezone.now() + HELD)


def release(name: str) -> None:
    Cursor.objects.filter(name=name, holder=_holder).update(held_until=None)
