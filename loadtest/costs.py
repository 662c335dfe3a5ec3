"""Costs of connections, messages and deliveries in web, nginx, Redis and Postgres.

They are fitted to measured points (points.json).
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from loadtest.points import FILE

PARTS = ("web", "nginx", "redis", "postgres")
_CAUSES = {
    # Causes of each part's processor time. A delivery never touches Redis or Postgres: the hub makes it.
    "web": ("replicas", "connections", "messages", "deliveries"),
    "nginx": ("one", "connections", "messages", "deliveries"),
    "redis": ("one", "connections", "messages"),
    "postgres": ("one", "connections", "messages"),
}
_FIXED = ("one", "replicas")
DELIVERED = ("web", "nginx")
_BEYOND = 1.5  # a point with so many times more of something than all others lies outside the fitted range


@dataclass(frozen=True)
class Costs:
    """Cores by part and cause: part → cause → cores for one per second.

    A connection's cores are for holding one. bytes_a_connection: memory per connection of web and of nginx.
    """

    cores: dict[str, dict[str, float]]
    bytes_a_connection: dict[str, float]
    fitted_on: tuple[str, ...]

    def used(self, part: str, point: dict[str, float]) -> float:
        """Return a part's cores at a point.

        `connections`, `messages` and `deliveries` a second, `replicas`.
        """
        return sum(cost * (1.0 if cause == "one" else point[cause]) for cause, cost in self.cores[part].items())

    def moving(self, part: str, rates: dict[str, float]) -> float:
        """Return a part's cores for the load alone, without those of each replica."""
        return sum(cost * rates[cause] for cause, cost in self.cores[part].items() if cause in rates)

    def fixed(self, part: str) -> float:
        """Return the cores of one idle pod, shard or primary."""
        return sum(cost for cause, cost in self.cores[part].items() if cause in _FIXED)


def read(path: Path = FILE) -> dict[str, Any]:
    """Return the measured points."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def fit(points: list[dict[str, Any]]) -> Costs:
    """Fit non-negative costs to the points by least squares of relative errors."""
    used = [point for point in points if not point["held_out"]]
    return Costs(_fit_cores(used), _bytes_a_connection(used), tuple(point["name"] for point in used))


def _fit_cores(points: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {part: _fit_part(points, part, causes) for part, causes in _CAUSES.items()}


def _fit_part(points: list[dict[str, Any]], part: str, causes: tuple[str, ...]) -> dict[str, float]:
    """Solve non-negative least squares by omitting causes.

    Four causes allow trying all sets.
    """
    rows = np.array([[1.0 if cause == "one" else float(point[cause]) for cause in causes] for point in points])
    found = np.array([point["cores"][part] for point in points])
    best, error = np.zeros(len(causes)), math.inf
    for chosen in range(1, 2 ** len(causes)):
        columns = [number for number in range(len(causes)) if chosen >> number & 1]
        weighted = rows[:, columns] / found[:, None]
        solution, *_ = np.linalg.lstsq(weighted, np.ones(len(found)), rcond=None)
        left = float(np.sum((weighted @ solution - 1) ** 2))
        if (solution >= 0).all() and left < error - 1e-12:
            best, error = np.zeros(len(causes)), left
            best[columns] = solution
    return {cause: float(cost) for cause, cost in zip(causes, best, strict=True)}


def _bytes_a_connection(points: list[dict[str, Any]]) -> dict[str, float]:
    """Return web's and nginx's memory per connection, from the first two points."""
    few, many = (next(point for point in points if point["name"] == name) for name in ("idle", "many idle"))
    more = many["connections"] - few["connections"]
    return {part: float((many["memory"][part] - few["memory"][part]) / more) for part in DELIVERED}


def errors(costs: Costs, points: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the model's relative error at each held-out point, by part.

    0.1 is ten per cent too many cores.
    """
    held = [point for point in points if point["held_out"]]
    return {point["name"]: {part: costs.used(part, point) / point["cores"][part] - 1 for part in PARTS} for point in held}


def beyond(points: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the model's errors outside the fitted range.

    Each point with far more of something than all others is left out in turn and predicted from the others. Keys are for
    people.
    """
    used, found = [point for point in points if not point["held_out"]], {}
    for cause in ("connections", "messages", "deliveries"):
        *others, most = sorted(used, key=lambda point: float(point[cause]))
        times = most[cause] / others[-1][cause]
        if times >= _BEYOND:
            left = Costs(_fit_cores(others), {}, ())
            name = f"'{most['name']}', {times:.1f} times the {cause} of all it was fitted on"
            found[name] = {part: left.used(part, most) / most["cores"][part] - 1 for part in PARTS}
    return found
