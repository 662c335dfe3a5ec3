"""Write the dashboards as Grafana's JSON, and the rules for Kubernetes.

Usage: `python -m monitoring.dashboards [--check]`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from monitoring.panels import DASHBOARDS, Dashboard, Panel

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "monitoring" / "prometheus" / "rules.yaml"
COMPONENT = ROOT / "k8s" / "components" / "prometheus-operator"
MADE = "# Made by `python -m monitoring.dashboards` from monitoring/prometheus/rules.yaml.\n"
FOLDER = ROOT / "monitoring" / "grafana" / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT, NUMBER_HEIGHT = 24, 8, 4


def as_json(dashboard: Dashboard) -> str:
    """Return the dashboard as Grafana reads it."""
    made = {
        "uid": f"hubbub-{dashboard.uid}",
        "title": dashboard.title,
        "description": dashboard.says,
        "tags": ["hubbub"],
        "schemaVersion": 41,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "type": "dashboards",
                "title": "Hubbub",
                "tags": ["hubbub"],
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1}]
        },
        "panels": list(_panels(dashboard)),
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    number, y = 1, 0
    for row in dashboard.rows:
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": _place(0, y, WIDTH, 1),
        }
        number, y = number + 1, y + 1
        height = NUMBER_HEIGHT if row.panels[0].number else HEIGHT
        columns = len(row.panels) if row.panels[0].number else 2
        for index, panel in enumerate(row.panels):
            width = WIDTH // columns
            yield _panel(panel, number, _place(index % columns * width, y + index // columns * height, width, height))
            number += 1
        y += -(-len(row.panels) // columns) * height


def _place(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": SOURCE,
            "expr": query.replace("$rate", "$__rate_interval"),
            "legendFormat": legend,
            "range": not panel.number,
            "instant": panel.number,
        }
        for index, (query, legend) in enumerate(panel.series)
    ]
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    options: dict[str, Any]
    if panel.number:
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"}
    else:
        options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
        defaults["custom"] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}
    return {
        "id": number,
        "type": "stat" if panel.number else "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }


def rules_for_kubernetes() -> str:
    """Return the rules as an object of the Prometheus Operator.

    One Prometheus reads all namespaces there: the absence of servers is looked for in our own, which the overlay's replaces
    (k8s/derived-values). A pod that restarts stays a target there, and no metric says how many there should be.
    """
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        group["rules"] = [rule for rule in group["rules"] if rule["alert"] != "HubbubReplicaMissing"]
    (down,) = (rule for group in rules["groups"] for rule in group["rules"] if rule["alert"] == "HubbubDown")
    down["expr"] = 'absent(hubbub_loop_lag_seconds{namespace="hubbub"})'
    made = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "hubbub"},
        "spec": rules,
    }
    return MADE + yaml.dump(made, Dumper=Indented, sort_keys=False, allow_unicode=True, width=120)


class Indented(yaml.SafeDumper):
    """Indents lists as our files do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def files() -> Iterator[tuple[Path, str]]:
    """Yield each file and its content."""
    for dashboard in DASHBOARDS:
        yield FOLDER / f"{dashboard.uid}.json", as_json(dashboard)
        yield COMPONENT / "dashboards" / f"{dashboard.uid}.json", as_json(dashboard)
    yield COMPONENT / "rules.yaml", rules_for_kubernetes()


def main(arguments: list[str]) -> int:
    stale = [(path, text) for path, text in files() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path, _ in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not what monitoring/ says: run python -m monitoring.dashboards\n")
        return 1 if stale else 0
    for path, text in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
