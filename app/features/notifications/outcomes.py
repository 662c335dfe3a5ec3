"""Count the results of each way to notify, in the database.

The background worker has no /metrics, so the web processes export the sums.
"""

from __future__ import annotations

from collections import Counter
from threading import Lock

from django.db import IntegrityError, transaction
from django.db.models import F

from db import database
from features.notifications.metrics import SENT
from features.notifications.models import Outcome

EXPORT_EVERY_S = 15.0

_waiting: Counter[tuple[str, str]] = Counter()
_lock = Lock()


def add(way: str, result: str, number: int = 1) -> None:
    with _lock:
        _waiting[str(way), result] += number


def flush() -> None:
    """Add the counts to the sums.

    Synchronous, in a database thread.
    """
    with _lock:
        waiting = dict(_waiting)
        _waiting.clear()
    for (way, result), number in waiting.items():
        if not Outcome.objects.filter(way=way, result=result).update(number=F("number") + number):
            try:
                with transaction.atomic():
                    Outcome.objects.create(way=way, result=result, number=number)
            except IntegrityError:
                Outcome.objects.filter(way=way, result=result).update(number=F("number") + number)


async def export() -> None:
    """Set the figures of /metrics.

    Raises DatabaseUnavailable.
    """
    for way, result, number in await database.run(lambda: list(Outcome.objects.values_list("way", "result", "number"))):
        SENT.labels(way, result).set(number)
