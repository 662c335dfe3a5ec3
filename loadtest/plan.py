"""Plan pods, Redis shards, Postgres and cost for a number of connections.

From measured points (points.json, made by points.py) the costs of a connection, a message and a delivery are fitted for web,
nginx, Redis and Postgres. The plan follows from these costs and a habit (frequency of messages, size of rooms).
docs/scaling.md has the formulas and their limits. Pure, except for reading the points and drawing.

    python -m loadtest.plan                        the table for 10 thousand, 1 million and 10 million connections
    python -m loadtest.plan --connections 50000 --write-every 60 --room 40
    python -m loadtest.plan --plot docs/images/scaling.png
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.costs import DELIVERED, PARTS, Costs, beyond, errors, fit, read
from loadtest.points import FILE

MB = 2**20
# Decisions, not measurements: utilisation, machine sizes and prices. Change them to your own.
BUSY = 0.6  # share of cores, connections and memory for steady load; the rest is for peaks, rollouts and a lost zone
SHARD_CORES = 1  # Redis uses one core
POSTGRES_CORES = 64  # the largest single primary commonly sold
KEPT_DAYS = 30
BYTES_A_MESSAGE = 400  # row, index entries and autovacuum's remainder
CORE_COST, GB_RAM_COST, GB_DISK_COST = 20.0, 3.0, 0.12  # units a month


@dataclass(frozen=True)
class Pod:
    """The limits of one pod.

    connections: open sockets. idle_mb: memory without connections.
    """

    cores: float
    connections: int
    memory_mb: float
    idle_mb: float

    def limits(self, load: float, fixed: float, connections: int, bytes_a_connection: float) -> dict[str, int]:
        """Return how many pods each limit requires: `load` cores in all, `fixed` per pod."""
        free_mb = BUSY * self.memory_mb - self.idle_mb
        return {
            "processor": _units(load, self.cores, fixed),
            "connections": math.ceil(connections / (BUSY * self.connections)),
            "memory": math.ceil(connections * bytes_a_connection / (free_mb * MB)),
        }


# As in k8s/base. A web pod has no limit of sockets, but a dying one sends all of its sockets back at once, and a drain must fit
# into its grace period. For more sockets per nginx pod raise NGINX_WORKER_CONNECTIONS and its memory limit together.
WEB = Pod(cores=2, connections=40_000, memory_mb=1024, idle_mb=250)
NGINX = Pod(cores=2, connections=16_384, memory_mb=512, idle_mb=20)


@dataclass(frozen=True)
class Habit:
    """People's habit.

    They write one message every `write_every` seconds and connection, in rooms of `room` connections.
    """

    write_every: float = 120.0
    room: float = 15.0


@dataclass(frozen=True)
class Plan:
    """The requirements of a number of connections.

    cells: independent regions with a database each. decided: the first limit of each kind of pod.
    """

    connections: int
    messages: float
    deliveries: float
    web_pods: int
    nginx_pods: int
    redis_shards: int
    postgres_cores: int
    cells: int
    web_memory_gb: float
    disk_gb: float
    monthly: float
    decided: dict[str, str]
    changes: tuple[str, ...]


def plan(connections: int, habit: Habit, costs: Costs) -> Plan:
    """Return pods, shards and machines with head-room, and required changes."""
    messages = connections / habit.write_every
    deliveries = messages * habit.room
    rates = {"connections": connections, "messages": messages, "deliveries": deliveries}
    load = {part: costs.moving(part, rates) for part in PARTS}
    pods, decided = {}, {}
    for part, pod in (("web", WEB), ("nginx", NGINX)):
        limits = pod.limits(load[part], costs.fixed(part), connections, costs.bytes_a_connection[part])
        pods[part], decided[part] = max(2, *limits.values()), max(limits, key=lambda name: limits[name])
        if max(limits.values()) < 2:
            decided[part] = "two of each"
    web_pods, nginx_pods = pods["web"], pods["nginx"]
    # A message is read by every process with a member of its room: at most as many as the room has members.
    spread = min(habit.room, web_pods * WEB.cores) / 2
    shards = _units(load["redis"] * max(1.0, spread), SHARD_CORES, costs.fixed("redis"))
    cells = _units(load["postgres"], POSTGRES_CORES, costs.fixed("postgres"))
    postgres = max(2, math.ceil((load["postgres"] / cells + costs.fixed("postgres")) / BUSY))
    held = sum(connections * costs.bytes_a_connection[part] for part in DELIVERED)
    memory = held / 1e9 + (web_pods * WEB.idle_mb + nginx_pods * NGINX.idle_mb) * MB / 1e9
    disk = messages * 86400 * KEPT_DAYS * BYTES_A_MESSAGE / 1e9
    # Count nginx's actual use, not its limit: a pod full of sockets leaves most of its cores to others.
    nginx_cores = (load["nginx"] + nginx_pods * costs.fixed("nginx")) / BUSY
    cores = web_pods * WEB.cores + nginx_cores + shards + 2 * cells * postgres  # with a standby for each database
    ram = memory + shards * 2 + 2 * cells * postgres * 4
    monthly = cores * CORE_COST + ram * GB_RAM_COST + 2 * disk * GB_DISK_COST
    changes = tuple(_changes(web_pods, shards, cells * postgres, disk))
    return Plan(
        connections, messages, deliveries, web_pods, nginx_pods, shards, postgres, cells, memory, disk, monthly, decided, changes
    )


def _units(load: float, cores: float, fixed: float) -> int:
    """Return how many units of `cores` carry a load if each uses `fixed` for itself."""
    return max(1, math.ceil(load / (cores * BUSY - fixed)))


def _changes(web_pods: int, shards: int, postgres: float, disk: float) -> list[str]:
    """Return the required changes of the system's shape, beyond more replicas."""
    found = []
    if shards > 1:
        found.append("Redis shards")
    if web_pods > 50:
        found.append("connection pooling before Postgres")
    if postgres > POSTGRES_CORES / 4:
        found.append("read replicas for history and search")
    if disk > 1000:
        found.append("partitions of the log by room")
    if postgres > POSTGRES_CORES:
        found.append("regional cells, a database each")
    return found


STEPS = (10_000, 1_000_000, 10_000_000)


def table(plans: list[Plan]) -> list[str]:
    """Return the plans as a Markdown table."""
    rows = [
        ("connections", lambda p: f"{p.connections:,}"),
        ("messages a second", lambda p: f"{p.messages:,.0f}"),
        ("deliveries a second", lambda p: f"{p.deliveries:,.0f}"),
        (f"web pods of {WEB.cores:g} cores", lambda p: f"{p.web_pods:,} ({p.decided['web']})"),
        (f"nginx pods of {NGINX.cores:g} cores", lambda p: f"{p.nginx_pods:,} ({p.decided['nginx']})"),
        ("Redis shards", lambda p: f"{p.redis_shards:,}"),
        ("Postgres: cells × cores", lambda p: f"{p.cells} × {p.postgres_cores}"),
        ("memory for sockets, GB", lambda p: f"{p.web_memory_gb:,.1f}"),
        (f"log of {KEPT_DAYS} days, GB", lambda p: f"{p.disk_gb:,.0f}"),
        ("cost units a month", lambda p: f"{p.monthly:,.0f}"),
        ("a thousand connections", lambda p: f"{p.monthly / p.connections * 1000:,.1f}"),
        ("what must change", lambda p: ", ".join(p.changes) or "nothing"),
    ]
    lines = [f"| {name} | {' | '.join(show(one) for one in plans)} |" for name, show in rows]
    return [lines[0], "|" + " --- |" * (len(plans) + 1), *lines[1:]]


_ONE = {"connections": "connection and second", "messages": "message", "deliveries": "delivery"}


def cost_lines(measured: dict[str, Any], costs: Costs) -> list[str]:
    """Return lines with the costs and the model's error."""
    found = [f"measured {measured['measured']} on {measured['machine']}; microseconds of one core:"]
    for part in PARTS:
        each = [f"{cost * 1e6:.1f} a {_ONE[cause]}" for cause, cost in costs.cores[part].items() if cause in _ONE]
        each.append(f"{costs.fixed(part) * 1e6:,.0f} a second with nothing to do")
        found.append(f"  {part:<10}{', '.join(each)}")
    each = [f"{size / 1000:.0f} kB in {part}" for part, size in costs.bytes_a_connection.items()]
    found.append(f"  memory    a connection: {', '.join(each)}")
    for name, error in errors(costs, measured["points"]).items():
        off = ", ".join(f"{part} {share:+.0%}" for part, share in error.items())
        found.append(f"error at '{name}', not fitted on: {off}")
    for name, error in beyond(measured["points"]).items():
        found += [f"error at {name}:", "  " + ", ".join(f"{part} {share:+.0%}" for part, share in error.items())]
    return found


def plot(costs: Costs, habit: Habit, path: Path) -> None:
    """Draw pods, shards, Postgres cores and cost over connections."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  # only who draws waits for it
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(9, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    sizes = [round(10 ** (3 + step / 10)) for step in range(41)]
    plans = [plan(size, habit, costs) for size in sizes]
    drawn = (("web pods", "web_pods"), ("nginx pods", "nginx_pods"), ("Redis shards", "redis_shards"))
    for label, field in drawn:
        axes.step(sizes, [getattr(one, field) for one in plans], where="post", label=label)
    axes.step(sizes, [one.cells * one.postgres_cores for one in plans], where="post", label="Postgres cores")
    axes.plot(sizes, [one.monthly for one in plans], "--", color="tab:gray", label="cost units a month")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("connections")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    axes.set_title(f"one message every {habit.write_every:g} s and connection, rooms of {habit.room:g}")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def main() -> None:
    """Print the costs, the model's error and the table."""
    parser = argparse.ArgumentParser(description="From measured costs to pods, shards, Postgres and money.")
    parser.add_argument("--connections", type=int, action="append", metavar="N", help="instead of 10 thousand, 1 and 10 million")
    parser.add_argument("--write-every", type=float, default=Habit.write_every, metavar="SECONDS")
    parser.add_argument("--room", type=float, default=Habit.room, metavar="CONNECTIONS")
    parser.add_argument("--points", type=Path, default=FILE, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="PNG")
    given = parser.parse_args()
    if min([given.write_every, given.room, *(given.connections or [1])]) <= 0:
        parser.error("connections, --write-every and --room must be above 0")
    measured, habit = read(given.points), Habit(given.write_every, given.room)
    costs = fit(measured["points"])
    print("\n".join(cost_lines(measured, costs)))
    print("\n".join(["", *table([plan(size, habit, costs) for size in given.connections or STEPS])]))
    if given.plot:
        plot(costs, habit, given.plot)


if __name__ == "__main__":
    main()
