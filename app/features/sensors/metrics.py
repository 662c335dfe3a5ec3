from __future__ import annotations

from prometheus_client import Counter, Histogram

READINGS = Counter("hubbub_sensor_readings_total", "Readings of sensors that were committed")
BATCH = Histogram("hubbub_sensor_batch_readings", "Readings in one commit", buckets=(1, 10, 50, 100, 500, 1000, 5000))
ALARMS = Counter("hubbub_sensor_alarms_total", "Alarms that were raised or ended", ["state"])
