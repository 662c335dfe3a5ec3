"""Derive every grace period from DRAIN_SECONDS, as in the table of docs/deploy.md.

tests/server/test_grace_periods.py checks all files that repeat them.

A draining worker passes through these phases, which add up to at most DRAIN_SECONDS:
"""

from __future__ import annotations

from django.conf import settings

# 1. Close the sockets in batches.
SPREAD_SHARE = 0.6
# 2. Finish open HTTP requests. Keep-alive connections stay open for the first KEEPALIVE_LINGER_SHARE, at most KEEPALIVE_LINGER_S.
FINISH_SHARE = 0.3
KEEPALIVE_LINGER_SHARE = 0.25
# Closing a keep-alive connection while a proxy sends a request on it would lose the request.
KEEPALIVE_LINGER_S = 1.0
# 3. Commit the queue and leave Redis. Then Gunicorn (--graceful-timeout) kills the worker.
END_SHARE = 0.1

# Docker, Kubernetes and `manage.py drain` wait this much longer before they kill Gunicorn itself.
MARGIN_S = 10


def close_spread_s() -> float:
    return float(settings.DRAIN_SECONDS * SPREAD_SHARE)


def keepalive_linger_s() -> float:
    return float(min(KEEPALIVE_LINGER_S, settings.DRAIN_SECONDS * FINISH_SHARE * KEEPALIVE_LINGER_SHARE))


def http_finish_s() -> float:
    return float(settings.DRAIN_SECONDS * FINISH_SHARE) - keepalive_linger_s()


def drain_deadline_s() -> float:
    """Return the seconds until a worker has committed all.

    The rest of DRAIN_SECONDS, half of END_SHARE at most, is for the end of its process.
    """
    return float(settings.DRAIN_SECONDS - min(1.0, settings.DRAIN_SECONDS * END_SHARE / 2))


def kill_after_s() -> int:
    """Return the seconds until Gunicorn has ended with all its workers."""
    return int(settings.DRAIN_SECONDS) + MARGIN_S
