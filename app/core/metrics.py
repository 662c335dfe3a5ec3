"""All metrics of the process group, and the text of /metrics over all workers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from django.conf import settings
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Summary,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector


class Tally:
    """A counter for every frame or socket, exported once a second.

    It adds up in the process. The library's own counter takes a lock, asks for the process id and writes to a shared file each
    time.
    """

    def __init__(self, counter: Counter | Gauge) -> None:
        self._counter = counter
        self._waiting: dict[tuple[str, ...], int] = {}

    def add(self, number: int, *labels: str) -> None:
        waiting = self._waiting
        waiting[labels] = waiting.get(labels, 0) + number

    def settle(self) -> None:
        """Export the sum to /metrics."""
        waiting, self._waiting = self._waiting, {}
        for labels, number in waiting.items():
            (self._counter.labels(*labels) if labels else self._counter).inc(number)


class Spread:
    """A histogram for every commit or message, exported once a second.

    It adds up in the process, as a Tally does.
    """

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._bounds: list[float] = list(histogram._upper_bounds)  # noqa: SLF001  # core/upstream.py names it
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    def settle(self) -> None:
        """Export the observations to /metrics."""
        if not any(self._counts):
            return
        counts, self._counts = self._counts, [0] * len(self._bounds)
        total, self._sum = self._sum, 0.0
        for bucket, number in zip(self._histogram._buckets, counts, strict=True):  # noqa: SLF001
            if number:
                bucket.inc(number)
        self._histogram._sum.inc(total)  # noqa: SLF001


class OptionalGauge:
    """A gauge that is absent from /metrics while its value is None.

    The process that answers /metrics looks the value up, so the other workers need not export it.
    """

    def __init__(self, name: str, documentation: str) -> None:
        self._name, self._documentation = name, documentation
        self.value: float | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauge, as a collector of prometheus_client."""
        if self.value is not None:
            yield GaugeMetricFamily(self._name, self._documentation, self.value)


# From a local network's round trip to a wait that people complain about.
SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
SOCKETS_SHOWN = Gauge("hubbub_sockets", "Open sockets", ["dialect"], multiprocess_mode="livesum")
SOCKETS = Tally(SOCKETS_SHOWN)
ROOMS = Gauge("hubbub_rooms_open", "Rooms with local sockets or watchers", multiprocess_mode="livesum")
CLOSED = Counter("hubbub_sockets_closed_total", "Sockets the server closed", ["code"])
FRAMES_IN_SHOWN = Counter("hubbub_frames_received_total", "Frames received", ["type"])
FRAMES_IN = Tally(FRAMES_IN_SHOWN)
REFUSED = Counter("hubbub_frames_refused_total", "Frames answered with an error, or ignored", ["code"])
STORED_SHOWN = Counter("hubbub_events_stored_total", "Events committed to the log")
STORED = Tally(STORED_SHOWN)
KINDS_SHOWN = Counter("hubbub_events_of_kind_total", "Events committed to the log, but for messages", ["kind"])
KINDS = Tally(KINDS_SHOWN)
COMMIT_SECONDS = Histogram("hubbub_commit_seconds", "Time of one group commit")
COMMIT_SIZE = Histogram("hubbub_commit_events", "Events in one group commit", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500))
COMMIT_WAIT_SHOWN = Histogram("hubbub_commit_wait_seconds", "Longest wait of an event of a commit for its turn", buckets=SHORT)
COMMIT_WAIT = Spread(COMMIT_WAIT_SHOWN)
DELIVERY_SHOWN = Histogram(
    "hubbub_delivery_seconds",
    "From the commit of an event until its room's sockets of a process were handed it",
    ["way"],
    buckets=SHORT,
)
# In the process that committed, and in the others: there it holds the difference between two machines' clocks, too.
DELIVERY_HERE = Spread(DELIVERY_SHOWN.labels("here"))
DELIVERY_LAYER = Spread(DELIVERY_SHOWN.labels("layer"))
UNSENT = Gauge("hubbub_unsent_bytes", "Bytes that wait for readers to take them", multiprocess_mode="livesum")
DELIVERED_SHOWN = Counter("hubbub_deliveries_total", "Events handed to sockets")
DELIVERED = Tally(DELIVERED_SHOWN)
LIVE_SHOWN = Counter(
    "hubbub_live_values_total", "Live values that clients published, and that rooms were sent", ["topic", "step"]
)
LIVE = Tally(LIVE_SHOWN)
REPAIRS = Counter("hubbub_repairs_total", "Times the log was read to fill a gap", ["cause"])
LOG_WENT_BACK = Counter("hubbub_log_went_back_total", "Rooms of which the database lost events that were delivered")
CHANGES = Counter("hubbub_changes_total", "Changes read from the journal, by every process", ["kind"])
FEATURES_OFF = Gauge("hubbub_features_off", "Features that an administrator has switched off", multiprocess_mode="max")
# `of`: due, layer, listener, live, note or sensor.
HANDLER_FAILURES = Counter(
    "hubbub_handler_failures_total", "Failures of a handler: its work was left out, and all other work went on", ["of"]
)
LAYER_DROPPED = Counter("hubbub_layer_dropped_total", "Messages the channel layer could not take in time")
# 1 means degraded, since a process without a hub, such as Gunicorn's master, reports 0.
LAYER_DEGRADED = Gauge("hubbub_layer_degraded", "1 while Redis fails the layer or presence", multiprocess_mode="livemax")
REPLICA_READS = Counter("hubbub_replica_reads_total", "Reads that the replica may answer, by the server that did", ["server"])
REPLICA_BEHIND = Gauge(
    "hubbub_replica_behind_seconds",
    "How long ago the replica had all that the primary has; -1: unknown",
    multiprocess_mode="livemax",
)
REFUSALS = Counter("hubbub_refusals_total", "Clients refused for a setting: address, origin, limit, drain", ["kind"])
REDIS_REFUSED = Counter("hubbub_redis_refused_total", "What Redis refused or did not answer", ["part", "kind"])
PEERS_LOST = Counter("hubbub_presence_processes_lost_total", "Other processes that fell silent without a goodbye")
PRESENCE_LISTS = Counter("hubbub_presence_lists_total", "Times all people of this process were announced on request")
RECYCLED = Counter("hubbub_worker_recycled_total", "Workers replaced because they grew past their memory ceiling")
LOOP_LAG = Gauge("hubbub_loop_lag_seconds", "How late the event loop ran its last one-second tick", multiprocess_mode="max")
LOOP_LATE = Histogram("hubbub_loop_late_seconds", "How late the event loop ran each one-second tick", buckets=SHORT)
GC_PAUSE_SHOWN = Histogram(
    "hubbub_gc_pause_seconds", "Pauses for the garbage collector", ["generation"], buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5)
)
GC_PAUSES = tuple(Spread(GC_PAUSE_SHOWN.labels(str(generation))) for generation in range(3))
LAYER_ROUND_TRIP = Histogram(
    "hubbub_layer_round_trip_seconds", "From publishing a message to Redis until it came back, once a second", buckets=SHORT
)
DRAINING = Gauge("hubbub_workers_draining", "Workers that hand their sockets over", multiprocess_mode="livesum")
# A collector of sum and count: with buckets, each of about a hundred routes would have a dozen series.
REQUESTS = Summary(
    "hubbub_http_requests_seconds", "Time of HTTP requests until the head of the answer", ["method", "route", "status"]
)
REQUEST_SECONDS = Histogram(
    "hubbub_http_seconds", "Time of HTTP requests until the head of the answer", ["kind"], buckets=(*SHORT, 10)
)
# Asked of the database when /metrics is read: each replica answers the same, so take the largest.
ARCHIVE_FAILING = Gauge(
    "hubbub_archive_failing", "1 while Postgres keeps its log because the archive fails", multiprocess_mode="mostrecent"
)
TASKS = Gauge("hubbub_tasks", "Background tasks by their state", ["state"], multiprocess_mode="mostrecent")
TASKS_WAIT = Gauge(
    "hubbub_tasks_wait_seconds", "Age of the oldest task that should run and does not", multiprocess_mode="mostrecent"
)
BACKED_UP = OptionalGauge("hubbub_backup_timestamp_seconds", "Unix time of the newest verified backup")
REGISTRY.register(BACKED_UP)


def settle() -> None:
    """Export the counters of this process to /metrics.

    Call it on the event loop.
    """
    for tally in (SOCKETS, FRAMES_IN, STORED, KINDS, DELIVERED, LIVE):
        tally.settle()
    for spread in (COMMIT_WAIT, DELIVERY_HERE, DELIVERY_LAYER, *GC_PAUSES):
        spread.settle()


def exposition() -> tuple[bytes, str]:
    """Return the Prometheus text over all workers, and its content type."""
    if not settings.METRICS_DIR:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    registry.register(BACKED_UP)
    return generate_latest(registry), CONTENT_TYPE_LATEST
