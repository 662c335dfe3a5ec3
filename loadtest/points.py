"""`python -m loadtest.points`: measure the points of the growth model (plan.py).

They are measured on a compose stack:

    URL=http://127.0.0.1:8080 PROJECT=hubbub SEED='scripts/compose exec -T web python app/manage.py seed {n}' \\
        .venv/bin/python -m loadtest.points

The loads differ in the number of connections, messages and deliveries, so that their costs can be told apart; one is held out to
check the model. Writes loadtest/points.json. About four minutes.
"""

import json
import os
import platform
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest import measured, values
from loadtest.measured import Measured
from loadtest.resources import Servers

FILE = Path(__file__).with_name("points.json")
_PARTS = ("web", "nginx", "redis", "postgres")


@dataclass(frozen=True)
class Load:
    """One load: people in rooms who write every `think` seconds.

    held_out: not for fitting.
    """

    name: str
    users: int
    rooms: int
    think: float
    held_out: bool = False


LOADS = (
    Load("idle", 200, 20, 40),
    Load("many idle", 600, 60, 40),
    Load("few", 50, 10, 2),
    Load("small rooms, busy", 200, 40, 1),
    Load("pairs, busy", 100, 50, 0.5),
    Load("rooms of fifty", 200, 4, 4),
    Load("one room of a hundred", 100, 1, 4),
    Load("rooms of fifteen", 300, 20, 3, held_out=True),
)


def point(load: Load, run: Measured) -> dict[str, Any]:
    """Return a run's result: rates a second, cores and bytes by part.

    A part includes all its containers.
    """
    cores: dict[str, float] = defaultdict(float)
    memory: dict[str, float] = defaultdict(float)
    replicas = 0
    for name in run.cpu:
        part = name.split()[0]
        if part in _PARTS:
            cores[part] += run.cpu[name]
            memory[part] += run.memory.get(name, 0.0)
            replicas += part == "web"
    rate = {name: value / run.seconds for name, value in run.counters.items()}
    return {
        "name": load.name,
        "held_out": load.held_out,
        "replicas": replicas,
        "connections": load.users,
        "messages": round(rate.get("hubbub_events_stored_total", 0.0), 2),
        "deliveries": round(rate.get("hubbub_deliveries_total", 0.0), 2),
        "commits": round(rate.get("hubbub_commit_seconds_count", 0.0), 2),
        "cores": {part: round(cores[part], 5) for part in _PARTS},
        "memory": {part: round(memory[part]) for part in _PARTS},
        "delivery_p95_ms": run.summary["figures"].get("send → delivery to others", {}).get("p95"),
    }


def main(env: dict[str, str]) -> None:
    """Measure all loads; exit with 1 after an incorrect run, which proves nothing."""
    project = env.get("PROJECT", "")
    if not project:
        sys.exit("points: PROJECT must name the compose project, whose containers are read")
    try:
        servers, found = Servers.of(values.url("URL", env.get("URL", "")), "", project), []
    except values.BadOption as error:
        sys.exit(f"points: {error}")
    for load in LOADS:
        with tempfile.TemporaryDirectory(prefix="hubbub-points-") as folder:
            varied = {"USERS": str(load.users), "ROOMS": str(load.rooms), "THINK": f"{load.think * 0.9}-{load.think * 1.1}"}
            fixed = {"SHAPE": "soak", "PROFILES": "person", "RECONNECTS": "0", "HISTORY": "0", "SPAWN_RATE": "60", "TIME": "12s"}
            run = measured.run(env | fixed | varied, servers, Path(folder))
        if run.code or run.unreadable or not run.seconds:
            sys.exit(f"points: {load.name}: the run did not hold\n{run.said}\n{run.unreadable}")
        found.append(point(load, run))
        print(json.dumps(found[-1]), flush=True)
    text = {"measured": time.strftime("%Y-%m-%d"), "machine": f"{platform.platform()}, {os.cpu_count()} cores", "points": found}
    Path(env.get("POINTS") or FILE).write_text(json.dumps(text, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main(dict(os.environ))
