"""Limit sign-ups and password attempts per address.

Counts live in the cache: Redis if configured.
"""

from __future__ import annotations

import time

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest
from redis.exceptions import RedisError

from accounts.names import key_of
from accounts.services import digest_of
from core import redis_faults
from core.client_network import client_network
from core.refusals import note_refusal
from core.words import words as _

ATTEMPTS_PER_ACCOUNT = 10
ATTEMPTS_PER_ADDRESS = 100
WINDOW_S = 60
HOUR_S = 3600


class Throttled(Exception):
    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        # In seconds.
        self.retry_after = retry_after


def address_of(request: HttpRequest) -> str:
    """Return the client's address, or its IPv6 network.

    uvicorn has already replaced it by the address that a trusted proxy forwarded.
    """
    return client_network(str(request.META.get("REMOTE_ADDR", "?")))


def sign_in_attempt(request: HttpRequest, username: str) -> None:
    """Count an attempt.

    Raises Throttled.
    """
    address = address_of(request)
    _count(f"sign-in:{address}:{digest_of(key_of(username))[:16]}", ATTEMPTS_PER_ACCOUNT, WINDOW_S)
    _count(f"sign-in:{address}", ATTEMPTS_PER_ADDRESS, WINDOW_S)


def sign_up_attempt(request: HttpRequest) -> None:
    """Count a sign-up.

    Raises Throttled.
    """
    _count(f"sign-up:{address_of(request)}", settings.LIMIT_SIGNUPS_PER_H, HOUR_S)


def _count(key: str, limit: int, window: int) -> None:
    if not limit:
        return
    number, into = divmod(int(time.time()), window)
    key = f"{key}:{number}"
    try:
        count = _next_number("default", key, window)
    except (OSError, RedisError) as error:
        redis_faults.report_fault("throttle", error)
        count = _next_number("process", key, window)  # without Redis, neither lock everyone out nor lift the limit
    if count > limit:
        kind = key.partition(":")[0]
        note_refusal(kind, key.split(":", 1)[1].rpartition(":")[0], "LIMIT_SIGNUPS_PER_H" if kind == "sign-up" else "")
        wait = window - into
        raise Throttled(_("too many attempts; try again in {seconds} s", seconds=wait), wait)


def _next_number(cache: str, key: str, window: int) -> int:
    """Increment the counter; 1 for the first of the window."""
    if caches[cache].add(key, 1, window):
        return 1
    try:
        return int(caches[cache].incr(key))
    except ValueError:  # the window ended between the two calls
        return 1
