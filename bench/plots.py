"""Pictures of a run: latency over load, cost over room size.

`python -m bench.plots RESULTS.json` writes both to docs/images.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
SIZES = (10, 100, 1000, 10_000)
mpl.use("Agg")
plt.rcParams["svg.hashsalt"] = "hubbub"  # makes the output reproducible


def pictures(rows: dict[str, Any], folder: Path) -> list[Path]:
    """Draw the pictures for which figures exist, as PNG and SVG in `folder`.

    Return their paths.
    """
    written: list[Path] = []
    if "open loop 1000" in rows:
        written += _save(latency_over_load(rows), folder / "bench-latency")
    if sum(f"fan-out {size}" in rows for size in SIZES) > 1:
        written += _save(cost_over_room_size(rows), folder / "bench-cost")
    return written


def latency_over_load(rows: dict[str, Any]) -> Figure:
    """Draw the p99 of every tried rate of the open loop, by system."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for found in rows["open loop 1000"]:
        points = sorted((point["rate"] * 1000, point["p99"]) for point in found["notes"]["tried"])
        axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=found["system"])
    axes.axhline(100, color="grey", linewidth=0.8, linestyle="--")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="deliveries asked for per second",
        ylabel="p99, ms",
        title="One room of 1,000, open loop",
    )
    axes.legend()
    return figure


def cost_over_room_size(rows: dict[str, Any]) -> Figure:
    """Draw the processor time per delivery by size of the room and system."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    systems: dict[str, list[tuple[int, float]]] = {}
    for size in SIZES:
        for found in rows.get(f"fan-out {size}", []):
            if found["us_per_delivery"]:
                systems.setdefault(found["system"], []).append((size, found["us_per_delivery"]))
    for system, points in systems.items():
        axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=system)
    axes.set(
        xscale="log", yscale="log", xlabel="people in the room", ylabel="processor time of a delivery, µs", title="Closed loop"
    )
    axes.legend()
    return figure


def _save(figure: Figure, path: Path) -> list[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    png, svg = path.with_suffix(".png"), path.with_suffix(".svg")
    figure.savefig(png, dpi=120)
    figure.savefig(svg, metadata={"Date": None})
    plt.close(figure)
    return [png, svg]


if __name__ == "__main__":
    print(*pictures(json.loads(Path(sys.argv[1]).read_text())["rows"], IMAGES), sep="\n")
