from __future__ import annotations

from prometheus_client import Counter, Histogram

SECONDS = Histogram("hubbub_search_seconds", "Time of one search", buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5))
# way: latest (the newest messages were enough), index, late (the index did not answer in time), files.
SEARCHED = Counter("hubbub_searches_total", "Searches on Postgres, by what answered them", ["way"])
OVERTAKEN = Counter("hubbub_searches_overtaken_total", "Searches whose socket asked again before they were answered")
