"""Hourly and daily quotas per person, counted in the database.

So they are valid for all processes, and a failed write rolls its count back.
"""

from __future__ import annotations

import time
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from core.errors import RateLimited
from core.refusals import note_refusal
from core.words import words as _
from rooms.models import Spent

HOUR_S = 3_600
DAY_S = 86_400
# The setting of each count; the other counts are of one person's invitations to another.
SETTINGS = {"rooms": "LIMIT_ROOMS_PER_H", "invitations": "LIMIT_INVITES_PER_H"}
# As people read them.
NAMES = {
    "rooms": _("rooms"),
    "invitations": _("invitations"),
    "invitations of one person": _("invitations of one person"),
}
PERIODS = {HOUR_S: _("hour"), DAY_S: _("day")}
KEPT = timedelta(days=2)

SPEND = """
    INSERT INTO rooms_spent (user_id, what, period, count, at) VALUES (%s, %s, %s, 1, %s)
    ON CONFLICT (user_id, what, period) DO UPDATE SET count = rooms_spent.count + 1 RETURNING count
"""


def spend(*, user: int, what: str, limit: int, period_s: int) -> None:
    """Count one use, in the transaction of the write.

    Raises RateLimited above `limit`; a limit of 0 counts nothing.
    """
    if not limit:
        return
    now = timezone.now()
    period, into = divmod(int(time.time()), period_s)
    with connection.cursor() as cursor:
        cursor.execute(SPEND, [user, what, period, connection.ops.adapt_datetimefield_value(now)])
        ((count,),) = cursor.fetchall()
    if count > limit:
        name = what.partition(":")[0]
        note_refusal("quota", f"user {user}: {name}", SETTINGS.get(what, "LIMIT_INVITES_PER_PERSON"))
        said = _(
            "too many {things} this {period}: the limit is {limit}", things=NAMES[name], period=PERIODS[period_s], limit=limit
        )
        raise RateLimited(said, retry_after=period_s - into)


def quotas_prune() -> None:
    """Delete counts of past periods."""
    Spent.objects.filter(at__lt=timezone.now() - KEPT).delete()
