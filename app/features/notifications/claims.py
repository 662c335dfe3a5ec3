"""Which device shows a notification: the first of a person that claims it.

Shared by all processes through Redis.

Without Redis, or while it is away, a claim is decided within the process: rather shown twice than not at all.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NamedTuple

import redis
import redis.asyncio
from django.conf import settings
from redis.exceptions import RedisError

from core.per_loop import PerLoop
from core.redis_faults import report_fault
from core.redis_urls import blocking_client_for, client_for
from db import installation

KEPT_S = 7_200
# Claims of this process, in the embedded run or while Redis is away.
MOST = 50_000
FAULTS = (RedisError, OSError, TimeoutError, installation.Unknown)


class Claim(NamedTuple):
    user: int
    room: int
    seq: int

    def name(self, epoch: str) -> str:
        """Return the key in Redis.

        A restored database gives numbers out again: they are claimed anew.
        """
        return installation.shared_name(f"notified:{epoch}:{self.user}:{self.room}:{self.seq}", installation.identity())


class _Local:
    """Claims of this process.

    The background thread of the embedded run asks, too.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[Claim, float] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, claim: Claim) -> bool:
        now = time.monotonic()
        with self._lock:
            if self._known.get(claim, 0.0) > now:
                return False
            self._known[claim] = now + KEPT_S
            self._known.move_to_end(claim)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
            return True

    def among(self, claims: Iterable[Claim]) -> set[Claim]:
        now = time.monotonic()
        with self._lock:
            return {claim for claim in claims if self._known.get(claim, 0.0) > now}


_local = _Local()
_client: PerLoop[redis.asyncio.Redis] = PerLoop(lambda: client_for(settings.REDIS_SHARDS[0]))
_blocking: list[redis.Redis] = []


async def claim(what: Claim) -> bool:
    """Claim a notification for a device.

    Return whether it is the person's first to do so.
    """
    if not settings.REDIS_SHARDS:
        return _local.add(what)
    try:
        await installation.wait_for_identity()
        first = await _client().set(what.name(await installation.epoch()), 1, nx=True, ex=KEPT_S)
    except FAULTS as error:
        report_fault("claims", error)
        return _local.add(what)
    return bool(first)


def claimed_among(claims: list[Claim]) -> set[Claim]:
    """Return the messages that a device has claimed.

    In a thread; none if Redis does not answer.
    """
    if not claims:
        return set()
    if not settings.REDIS_SHARDS:
        return _local.among(claims)
    try:
        if not _blocking:
            _blocking.append(blocking_client_for(settings.REDIS_SHARDS[0]))
        epoch = installation.epoch_now()
        found: Any = _blocking[0].mget([one.name(epoch) for one in claims])
    except FAULTS as error:
        report_fault("claims", error)
        return set()
    return {one for one, value in zip(claims, found, strict=True) if value is not None}
