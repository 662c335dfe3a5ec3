"""Objects of operators: their schemas find errors, and our rules read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8s.checks import custom
from k8s.checks.manifests import Manifests, Workload
from k8s.checks.render import ALTERNATIVES, COMPONENTS, combinations, combined, render
from k8s.checks.rules import violations
from monitoring.dashboards import files

NEW = ("autoscaling-connections", "cloudnative-pg", "gateway", "monitoring", "priority", "prometheus-operator")


@pytest.fixture(scope="module")
def everything(kustomize: list[str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Manifests]:
    folder = combined(NEW, tmp_path_factory.mktemp("new"))
    return lambda: render(folder, kustomize)


@pytest.fixture
def manifests(everything: Callable[[], Manifests]) -> Manifests:
    return everything()


def find(manifests: Manifests, kind: str) -> Any:
    (found,) = manifests.of(kind)
    return found


def test_new_components_fit_together(manifests: Manifests) -> None:
    assert list(violations(manifests)) == []
    checked = [item for item in manifests.objects if custom.knows(item)]
    assert len(checked) == 6
    assert [text for item in checked for text in custom.violations(item)] == []


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        ("HTTPRoute", lambda spec: spec.update(hostname="x"), "hostname"),
        ("HTTPRoute", lambda spec: spec["rules"][0]["backendRefs"][0].pop("port"), "'port' is a required property"),
        ("PodMonitor", lambda spec: spec["podMetricsEndpoints"][0].update(interval="15"), "'15' does not match"),
        ("PrometheusRule", lambda spec: spec["groups"][0]["rules"][0].pop("expr"), "'expr' is a required property"),
        ("ScaledObject", lambda spec: spec.update(maxReplicas=5), "maxReplicas"),
        ("ScaledObject", lambda spec: spec["triggers"][0]["metadata"].update(threshold=4000), "4000 is not of type 'string'"),
        ("Cluster", lambda spec: spec["postgresql"]["parameters"].update(max_connections=200), "200 is not of type 'string'"),
        ("ScheduledBackup", lambda spec: spec.update(schedule="15 3 * * *"), "does not match"),
    ],
)
def test_wrong_field_is_found(manifests: Manifests, kind: str, change: Callable[[Any], object], says: str) -> None:
    item = find(manifests, kind)
    change(item["spec"])
    assert any(says in text for text in custom.violations(item)), list(custom.violations(item))


def test_autoscaler_of_keda_is_held_to_the_rules(manifests: Manifests) -> None:
    web = next(one for one in manifests.workloads() if one.ref == "Deployment/web")
    assert isinstance(web, Workload)
    assert manifests.replicas(web) == (3, 10)
    down = find(manifests, "ScaledObject")["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    down["stabilizationWindowSeconds"] = 10
    assert any("ScaledObject/web: scaleDown waits less" in text for _, text in violations(manifests))


def test_route_follows_the_public_address(manifests: Manifests) -> None:
    assert find(manifests, "HTTPRoute")["spec"]["hostnames"] == ["chat.example.com"]
    find(manifests, "HTTPRoute")["spec"]["hostnames"] = ["other.example.com"]
    assert any("HTTPRoute/hubbub: answers for other.example.com" in text for _, text in violations(manifests))


def test_policy_for_a_cluster_that_is_not_here_is_found(manifests: Manifests) -> None:
    manifests.objects.remove(find(manifests, "Cluster"))
    assert any("NetworkPolicy/database: selects no pods" in text for _, text in violations(manifests))


def test_pods_of_an_operator_have_a_priority(manifests: Manifests) -> None:
    assert find(manifests, "Cluster")["spec"].pop("priorityClassName") == "hubbub-data"
    assert [text.partition(": list")[0] for _, text in violations(manifests)] == ["Cluster/database: no priorityClassName"]


@pytest.mark.parametrize("name", ["backup", "loadtest", "redis-sentinel"])
def test_pods_of_a_component_have_a_priority(kustomize: list[str], tmp_path: Path, name: str) -> None:
    folder = combined(("priority", name), tmp_path)
    assert list(violations(render(folder, kustomize))) == []
    written = (folder / "kustomization.yaml").read_text()
    assert written.index(f"components/{name}\n") < written.index("components/priority\n")


def test_each_component_is_combined_with_each_compatible_one() -> None:
    names = {path.parent.name for path in COMPONENTS.glob("*/kustomization.yaml")}
    assert set(NEW) <= names
    chosen = combinations()
    assert {name for one in chosen for name in one} == names
    assert ("gateway", "ingress") not in chosen
    assert ("autoscaling-connections", "gateway") in chosen
    # Of each set of alternatives one: a way in, a scaler, a Postgres, a Redis.
    assert max(map(len, chosen)) == len(names) - sum(len(either) - 1 for either in ALTERNATIVES)


def test_rules_and_dashboards_equal_those_of_compose() -> None:
    stale = [path for path, text in files() if path.is_relative_to(COMPONENTS) and Path(path).read_text() != text]
    assert stale == []
