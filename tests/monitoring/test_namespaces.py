"""The rules for Kubernetes, where one Prometheus reads two installations."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.dashboards import rules_for_kubernetes
from tests.support.server import ROOT

pytestmark = pytest.mark.once


def series(name: str, namespace: str, values: str, labels: str = "") -> dict[str, str]:
    return {"series": f'{name}{{namespace="{namespace}"{labels}}}', "values": values}


def raised(tmp_path: Path, alert: str, given: list[dict[str, str]], namespaces: set[str]) -> None:
    """Let promtool look whether the alert is raised for these namespaces alone."""
    rules: dict[str, Any] = yaml.safe_load(rules_for_kubernetes())["spec"]
    for rule in rules["groups"][0]["rules"]:
        rule.pop("annotations")
        rule["labels"] = {}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    expected = [{"exp_labels": {"namespace": one}} for one in sorted(namespaces)]
    case = {"alertname": alert, "eval_time": "34h", "exp_alerts": expected}
    test = {"interval": "1m", "input_series": given, "alert_rule_test": [case]}
    (tmp_path / "test.yaml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]})
    )
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_sound_installation_does_not_hide_an_old_backup(tmp_path: Path) -> None:
    name = "hubbub_backup_timestamp_seconds"
    raised(
        tmp_path, "HubbubBackupOld", [series(name, "hubbub", "0x2100"), series(name, "hubbub-staging", "100000x2100")], {"hubbub"}
    )


def test_sound_installation_does_not_hide_errors(tmp_path: Path) -> None:
    name = "hubbub_http_requests_seconds_count"
    given = [
        series(name, "hubbub", "0+6x2100", ',status="5xx"'),
        series(name, "hubbub", "0+94x2100", ',status="2xx"'),
        series(name, "hubbub-staging", "0+90000x2100", ',status="2xx"'),
    ]
    raised(tmp_path, "HubbubServerErrors", given, {"hubbub"})


def test_running_installation_does_not_hide_one_that_is_gone(tmp_path: Path) -> None:
    raised(tmp_path, "HubbubDown", [series("hubbub_loop_lag_seconds", "hubbub-staging", "0x2100")], {"hubbub"})


def test_component_has_these_rules() -> None:
    made = ROOT / "k8s" / "components" / "prometheus-operator" / "rules.yaml"
    assert made.read_text() == rules_for_kubernetes()
