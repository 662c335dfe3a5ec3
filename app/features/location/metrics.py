from __future__ import annotations

from prometheus_client import Counter

UPDATES = Counter("hubbub_location_updates_total", "Places that were shared")
