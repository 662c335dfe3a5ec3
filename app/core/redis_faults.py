"""Report refusals by Redis: count each, and log some with the setting to change.

They are counted by part and kind.
"""

from __future__ import annotations

import time

import structlog
from redis import exceptions

from core import metrics

logger = structlog.get_logger(__name__)

QUIET_S = 10.0
# Rights of REDIS_URL's Redis user in the form of ACL SETUSER; tests/realtime/layer/test_redis_forms.py uses exactly these.
RIGHTS = "~hubbub:* &hubbub:* +@read +@write +@pubsub +@connection"
REASONS = {
    "auth": "REDIS_URL: Redis does not accept its user name or password",
    "rights": f"the Redis user of REDIS_URL lacks a right; it needs {RIGHTS}",
    "memory": "Redis is full (its maxmemory) and refuses writes",
    "readonly": "REDIS_URL leads to a replica, which refuses writes",
    "loading": "Redis is still loading its data",
    "tls": "REDIS_URL: the TLS connection fails; ssl_ca_certs names a private authority",
    "away": "Redis does not answer",
    "other": "Redis refuses a command",
}
_WORDS = {
    "NOAUTH": "auth",
    "WRONGPASS": "auth",
    "NOPERM": "rights",
    "OOM": "memory",
    "READONLY": "readonly",
    "LOADING": "loading",
    "MASTERDOWN": "away",
}
_CLASSES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (exceptions.NoPermissionError, "rights"),
    ((exceptions.AuthenticationError, exceptions.AuthenticationWrongNumberOfArgsError), "auth"),
    (exceptions.OutOfMemoryError, "memory"),
    (exceptions.ReadOnlyError, "readonly"),
    (exceptions.BusyLoadingError, "loading"),
    ((exceptions.ConnectionError, exceptions.TimeoutError, OSError, TimeoutError), "away"),
)
_quiet_until: dict[tuple[str, str], float] = {}


def kind_of(error: Exception) -> str:
    """Return the key of REASONS for an error of redis-py or hiredis."""
    text = str(error)
    word = text.split(" ", 1)[0]
    if word in _WORDS:
        return _WORDS[word]
    found = next((kind for classes, kind in _CLASSES if isinstance(error, classes)), "other")
    return "tls" if found == "away" and ("SSL" in text or "certificate" in text) else found


def report_fault(part: str, error: Exception) -> str:
    """Count a refusal of `part` (layer, presence, throttle) and return its kind.

    Logs the first one of every QUIET_S seconds.
    """
    kind = kind_of(error)
    metrics.REDIS_REFUSED.labels(part, kind).inc()
    now = time.monotonic()
    if now >= _quiet_until.get((part, kind), 0.0):
        _quiet_until[part, kind] = now + QUIET_S
        logger.warning("Redis refuses", part=part, kind=kind, reason=REASONS[kind], error=str(error) or type(error).__name__)
    return kind
