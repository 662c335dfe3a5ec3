"""Every grace period follows from DRAIN_SECONDS. docs/deploy.md has the table; tests/server/test_graces.py holds all files to it.

A draining worker spends, at most, in this order and adding up to DRAIN_SECONDS:
"""

from __future__ import annotations

from django.conf import settings

# closing its sockets, in batches,
SPREAD_SHARE = 0.6
# letting open HTTP requests end, the first KEPT_SHARE of it (KEPT_S at most) with kept connections open for one more,
FINISH_SHARE = 0.3
KEPT_SHARE = 0.25
# Closing a kept connection just when a proxy sends a request on it loses the request.
KEPT_S = 1.0
# committing what is queued and leaving Redis. Then Gunicorn (--graceful-timeout) kills it.
END_SHARE = 0.1

# Whoever waits for Gunicorn itself (Docker, Kubernetes, `manage.py drain`) waits that much longer before it kills.
MARGIN_S = 10


def close_spread_s() -> float:
    return float(settings.DRAIN_SECONDS * SPREAD_SHARE)


def keepalive_linger_s() -> float:
    return float(min(KEPT_S, settings.DRAIN_SECONDS * FINISH_SHARE * KEPT_SHARE))


def http_finish_s() -> float:
    return float(settings.DRAIN_SECONDS * FINISH_SHARE) - keepalive_linger_s()


def drain_deadline_s() -> float:
    """Until a worker has committed all; the rest of DRAIN_SECONDS, half of END_SHARE at most, is for its process to end."""
    return float(settings.DRAIN_SECONDS - min(1.0, settings.DRAIN_SECONDS * END_SHARE / 2))


def kill_after_s() -> int:
    """Until Gunicorn has ended, with all its workers."""
    return int(settings.DRAIN_SECONDS) + MARGIN_S
