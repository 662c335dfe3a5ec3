"""The panels of both dashboards: what each shows, in which unit, by which queries.

`$rate` stands for Grafana's `$__rate_interval`: tests put a number there.
"""

from __future__ import annotations

from typing import NamedTuple

# A query and the name of its lines.
Series = tuple[str, str]


FAILED = 'status="5xx"'


class Panel(NamedTuple):
    title: str
    # Grafana's name of the unit.
    unit: str
    says: str
    series: tuple[Series, ...]
    # A number, as large as its panel, instead of lines over time.
    number: bool = False


class Row(NamedTuple):
    title: str
    panels: tuple[Panel, ...]


class Dashboard(NamedTuple):
    # Part of its address and the name of its file.
    uid: str
    title: str
    says: str
    rows: tuple[Row, ...]


def rate(name: str, by: str = "", labels: str = "") -> str:
    """Return the query of a counter's rate, summed over all servers."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({name}{labels and '{' + labels + '}'}[$rate]))"


def quantiles(name: str, labels: str = "") -> tuple[Series, ...]:
    """Return the queries of a histogram's middle and its slowest."""
    return tuple(
        (f"histogram_quantile({share}, {rate(f'{name}_bucket', 'le', labels)})", legend)
        for share, legend in ((0.5, "half within"), (0.95, "95 % within"), (0.99, "99 % within"))
    )


REQUESTS = "hubbub_http_requests_seconds_count"
SHARE_FAILED = f"({rate(REQUESTS, labels=FAILED)} or vector(0)) / {rate(REQUESTS)}"
SLOWEST = f"topk(10, {rate('hubbub_http_requests_seconds_sum', 'route')} / ({rate(REQUESTS, 'route')} > 0))"

PEOPLE = Dashboard(
    "people",
    "Hubbub: what people feel",
    "Whether people can connect, write, and see what others write, and how long they wait.",
    (
        Row(
            "Now",
            (
                Panel("Sockets", "short", "Open sockets of all servers.", (("sum(hubbub_sockets)", "sockets"),), number=True),
                Panel(
                    "Messages and events",
                    "ops",
                    "Committed a second.",
                    ((rate("hubbub_events_stored_total"), "events"),),
                    number=True,
                ),
                Panel(
                    "From commit to socket",
                    "s",
                    "99 % of the messages are handed to their sockets within this time.",
                    (quantiles("hubbub_delivery_seconds")[2],),
                    number=True,
                ),
                Panel(
                    "Failed requests",
                    "percentunit",
                    "Share of HTTP requests that are answered with 5xx.",
                    (
                        (
                            SHARE_FAILED,
                            "failed",
                        ),
                    ),
                    number=True,
                ),
                Panel(
                    "Redis works",
                    "bool_on_off",
                    "Off while Redis fails a server.",
                    (("1 - max(hubbub_layer_degraded)", "Redis"),),
                    number=True,
                ),
            ),
        ),
        Row(
            "Write and read",
            (
                Panel(
                    "From commit to socket, same server",
                    "s",
                    "Without Redis in between.",
                    quantiles("hubbub_delivery_seconds", 'way="here"'),
                ),
                Panel(
                    "From commit to socket, other servers",
                    "s",
                    "Through Redis. It holds the difference between the servers' clocks.",
                    quantiles("hubbub_delivery_seconds", 'way="layer"'),
                ),
                Panel(
                    "Wait for a commit",
                    "s",
                    "Of the message of a commit that waited longest.",
                    quantiles("hubbub_commit_wait_seconds"),
                ),
                Panel(
                    "Deliveries", "ops", "Events handed to sockets, a second.", ((rate("hubbub_deliveries_total"), "deliveries"),)
                ),
            ),
        ),
        Row(
            "Come and go",
            (
                Panel("Sockets by dialect", "short", "Open sockets.", (("sum by (dialect) (hubbub_sockets)", "{{dialect}}"),)),
                Panel(
                    "Closed by the server",
                    "ops",
                    "By close code: 4008 too slow, 4009 too often, 1012 sent to another server, 1011 left a ping unanswered.",
                    ((rate("hubbub_sockets_closed_total", "code"), "{{code}}"),),
                ),
                Panel(
                    "Refused clients",
                    "ops",
                    "By kind. The log of web names who, and the setting that decides.",
                    ((rate("hubbub_refusals_total", "kind"), "{{kind}}"),),
                ),
                Panel(
                    "Refused frames", "ops", "By the error's code.", ((rate("hubbub_frames_refused_total", "code"), "{{code}}"),)
                ),
            ),
        ),
        Row(
            "Pages and API",
            (
                Panel("Time of API calls", "s", "Until the head of the answer.", quantiles("hubbub_http_seconds", 'kind="api"')),
                Panel("Time of pages", "s", "Until the head of the answer.", quantiles("hubbub_http_seconds", 'kind="page"')),
                Panel(
                    "Answers by status",
                    "reqps",
                    "A second.",
                    ((rate("hubbub_http_requests_seconds_count", "status"), "{{status}}"),),
                ),
                Panel("Search", "s", "Time of one search.", quantiles("hubbub_search_seconds")),
            ),
        ),
    ),
)

ENGINE_ROOM = Dashboard(
    "engine-room",
    "Hubbub: the engine room",
    "What the servers, the database and Redis do, to look for a cause.",
    (
        Row(
            "Log",
            (
                Panel("Time of a commit", "s", "One transaction of the group commit.", quantiles("hubbub_commit_seconds")),
                Panel(
                    "Events of a commit",
                    "short",
                    "Large and slow: more is written than the database takes. Small and slow: the database is slow.",
                    quantiles("hubbub_commit_events"),
                ),
                Panel(
                    "Events by kind",
                    "ops",
                    "Committed a second, without messages.",
                    ((rate("hubbub_events_of_kind_total", "kind"), "{{kind}}"),),
                ),
                Panel(
                    "Repairs",
                    "ops",
                    "Times the log was read because Redis lost something; and rooms of which the database lost events.",
                    (
                        (rate("hubbub_repairs_total", "cause"), "{{cause}}"),
                        (rate("hubbub_log_went_back_total"), "the log went back"),
                    ),
                ),
            ),
        ),
        Row(
            "Between servers",
            (
                Panel(
                    "Redis and back",
                    "s",
                    "A message to the own channel, once a second.",
                    quantiles("hubbub_layer_round_trip_seconds"),
                ),
                Panel(
                    "Redis refuses",
                    "ops",
                    "By part and kind, and messages that it could not take in time.",
                    (
                        (rate("hubbub_redis_refused_total", "part, kind"), "{{part}}: {{kind}}"),
                        (rate("hubbub_layer_dropped_total"), "dropped messages"),
                    ),
                ),
                Panel(
                    "Presence",
                    "ops",
                    "Processes that fell silent, and times that all people of a process were announced.",
                    (
                        (rate("hubbub_presence_processes_lost_total"), "processes lost"),
                        (rate("hubbub_presence_lists_total"), "announcements"),
                    ),
                ),
                Panel(
                    "Changes of people and rooms",
                    "ops",
                    "Read from the journal.",
                    ((rate("hubbub_changes_total", "kind"), "{{kind}}"),),
                ),
                Panel(
                    "Archive fails",
                    "bool_yes_no",
                    "Postgres keeps its log meanwhile, until the disk is full.",
                    (("max(hubbub_archive_failing)", "fails"),),
                ),
            ),
        ),
        Row(
            "Processes",
            (
                Panel(
                    "Processor",
                    "percentunit",
                    "Cores in use, by server.",
                    (("sum by (instance) (rate(hubbub_worker_cpu_seconds[$rate]))", "{{instance}}"),),
                ),
                Panel(
                    "Memory",
                    "bytes",
                    "Resident memory of each worker.",
                    (("hubbub_worker_resident_bytes", "{{instance}} {{worker}}"),),
                ),
                Panel(
                    "Event loop late",
                    "s",
                    "How late the loop ran its tick of each second.",
                    quantiles("hubbub_loop_late_seconds"),
                ),
                Panel(
                    "Pauses for the garbage collector",
                    "s",
                    "Seconds a second, by generation.",
                    ((rate("hubbub_gc_pause_seconds_sum", "generation"), "generation {{generation}}"),),
                ),
            ),
        ),
        Row(
            "Sockets",
            (
                Panel(
                    "Open rooms",
                    "short",
                    "With sockets or watchers.",
                    (("sum by (instance) (hubbub_rooms_open)", "{{instance}}"),),
                ),
                Panel(
                    "Unsent bytes",
                    "bytes",
                    "What readers have not taken yet, by server.",
                    (("sum by (instance) (hubbub_unsent_bytes)", "{{instance}}"),),
                ),
                Panel(
                    "Frames by type", "ops", "Received a second.", ((rate("hubbub_frames_received_total", "type"), "{{type}}"),)
                ),
                Panel(
                    "Live values",
                    "ops",
                    "Published by clients, and sent to rooms.",
                    ((rate("hubbub_live_values_total", "topic, step"), "{{topic}} {{step}}"),),
                ),
                Panel(
                    "Drain and replacement",
                    "short",
                    "Workers that hand their sockets over, and workers that outgrew their memory.",
                    (
                        ("sum(hubbub_workers_draining)", "draining"),
                        ("sum(increase(hubbub_worker_recycled_total[1h]))", "recycled in an hour"),
                    ),
                ),
            ),
        ),
        Row(
            "HTTP and background work",
            (
                Panel(
                    "Busiest routes",
                    "reqps",
                    "Requests a second.",
                    ((f"topk(10, {rate('hubbub_http_requests_seconds_count', 'method, route')})", "{{method}} {{route}}"),),
                ),
                Panel(
                    "Slowest routes",
                    "s",
                    "Mean time of a request.",
                    (
                        (
                            SLOWEST,
                            "{{route}}",
                        ),
                    ),
                ),
                Panel(
                    "Background tasks",
                    "short",
                    "By state; finished ones are kept for a week.",
                    (("max by (state) (hubbub_tasks)", "{{state}}"),),
                ),
                Panel(
                    "Oldest waiting task",
                    "s",
                    "Above half an hour the worker is not there.",
                    (("max(hubbub_tasks_wait_seconds)", "waits for"),),
                ),
                Panel(
                    "Age of the last verified backup",
                    "s",
                    "Above 32 hours a night was left out. Nothing is here until the first one is made.",
                    (("time() - max(hubbub_backup_timestamp_seconds)", "age"),),
                ),
            ),
        ),
    ),
)

DASHBOARDS = (PEOPLE, ENGINE_ROOM)
