from __future__ import annotations

from prometheus_client import Counter, Gauge

NOTIFIED = Counter("hubbub_notify_total", "People for whom a `notify` was decided in this process", ["result"])
CLAIMS = Counter("hubbub_notify_claims_total", "Claims of devices", ["result"])
# Of the background worker, which has no /metrics: each process exports the sums that the database holds.
SENT = Gauge(
    "hubbub_notifications_sent",
    "Web Pushes and mails by their result, of all processes",
    ["way", "result"],
    multiprocess_mode="max",
)
