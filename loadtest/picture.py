"""Draw a run: latencies over time with the number of users, and the throughput.

`python -m loadtest.picture FILE` reads the rows and the summary from its input, as `begin` writes them.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import gevent
from gevent import subprocess

from loadtest import figures

_DRAWN = ((figures.ACKNOWLEDGED, "tab:blue"), (figures.DELIVERED, "tab:orange"), (figures.RESYNCHRONISED, "tab:red"))
_STYLES = (("p50", ":"), ("p95", "-"), ("p99", "--"))
_TIMEOUT_S = 120.0
_drawing: set[gevent.Greenlet] = set()


def begin(rows: list[dict[str, Any]], summary: dict[str, Any], path: Path) -> None:
    """Draw a run in a process of its own.

    Drawing takes seconds on a busy machine; meanwhile Locust's page would not answer, and a master would lose its workers. A
    greenlet of the caller would not do: Locust ends it at the end of a run as soon as it waits.
    """
    drawing = gevent.spawn(_draw, json.dumps([rows, summary]), path.absolute())
    _drawing.add(drawing)
    drawing.link(_drawing.discard)


def finish() -> None:
    """Wait at most two minutes for the pictures under way, before the process ends."""
    gevent.joinall(list(_drawing), timeout=_TIMEOUT_S)


def _draw(given: str, path: Path) -> None:
    root = str(Path(__file__).parents[1])
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    command = [sys.executable, "-m", "loadtest.picture", str(path)]
    subprocess.run(command, input=given, text=True, env=env, timeout=_TIMEOUT_S, check=True)


def timeline(rows: list[dict[str, Any]], summary: dict[str, Any], path: Path) -> None:
    """Write a PNG of a run's slices; none for a run without slices."""
    if not rows:
        return
    # Imported here: drawing happens once per run, and loading takes longer than connecting the users.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(11, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    at = [row["at"] for row in rows]
    for name, colour in _DRAWN:
        for part, style in _STYLES:
            points = [(row["at"], max(1, row["figures"][name][part])) for row in rows if name in row["figures"]]
            if points:
                above.plot(*zip(*points, strict=True), style, color=colour, linewidth=1.2, label=f"{name} {part}",
                           marker="." if len(points) < 3 else None)  # fmt: skip
    above.set_yscale("log")
    above.set_ylabel("milliseconds")
    above.grid(alpha=0.3, which="both")
    if above.get_legend_handles_labels()[0]:
        figure.legend(*above.get_legend_handles_labels(), fontsize=7, loc="outside lower center", ncols=3)
    people = above.twinx()
    people.step(at, [row["users"] for row in rows], where="post", color="tab:gray", alpha=0.6)
    people.set_ylim(bottom=0)
    people.set_ylabel("users connected", color="tab:gray")
    for kind, colour in (("messages", "tab:blue"), ("deliveries", "tab:orange"), ("connections lost", "tab:red")):
        values = [row["a_second"].get(kind, 0) for row in rows]
        if any(values):
            below.plot(at, values, color=colour, label=kind)
    below.set_yscale("symlog", linthresh=1)
    below.set_ylabel("a second")
    below.set_xlabel("seconds of the timed run")
    below.grid(alpha=0.3)
    if below.get_legend_handles_labels()[0]:
        below.legend(fontsize=7, loc="lower left")
    starved = ", GENERATOR STARVED" if summary["invalid"] else ""
    verdict = summary["verdict"].upper() + starved
    above.set_title(f"{summary['shape']}: {summary['users']} users, {summary['rooms']} rooms: {verdict}")
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    given = json.load(sys.stdin)
    timeline(given[0], given[1], Path(sys.argv[1]))
