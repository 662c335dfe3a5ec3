"""One rendering, with queries for the rules.

Objects stay plain mappings as in YAML.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Object = dict[str, Any]
LONG_RUNNING = ("Deployment", "StatefulSet", "DaemonSet")


def ref(item: Object) -> str:
    """Return Kind/name, as kubectl writes it."""
    return f"{item['kind']}/{item['metadata']['name']}"


class Variable(NamedTuple):
    """An environment variable of a container.

    `value` is None if it comes from a Secret or the pod.
    """

    name: str
    value: str | None


class Workload:
    """A Deployment, StatefulSet, DaemonSet, Job or CronJob, and its pod."""

    def __init__(self, item: Object) -> None:
        self.item = item
        self.ref = ref(item)
        self.kind: str = item["kind"]
        self.spec: Object = item["spec"]["jobTemplate"]["spec"] if self.kind == "CronJob" else item["spec"]
        self.template: Object = self.spec["template"]
        self.pod: Object = self.template["spec"]
        self.labels: Mapping[str, str] = self.template["metadata"].get("labels", {})

    @property
    def containers(self) -> list[Object]:
        """Return all containers, init containers first: the same rules apply."""
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    @property
    def long_running(self) -> bool:
        return self.kind in LONG_RUNNING

    def port(self, wanted: str | int, protocol: str = "TCP") -> int | None:
        """Return the container port of this name or number, None without one."""
        for container in self.containers:
            for port in container.get("ports", []):
                if wanted in {port.get("name"), port["containerPort"]} and port.get("protocol", "TCP") == protocol:
                    return int(port["containerPort"])
        return None

    def pre_stop_seconds(self) -> int:
        """Return the longest preStop sleep of its containers; 0 without one."""
        hooks = (c.get("lifecycle", {}).get("preStop", {}) for c in self.pod["containers"])
        return max((int(hook.get("sleep", {}).get("seconds", 0)) for hook in hooks), default=0)


class Manifests:
    """All objects of one overlay or combination of components."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects

    def of(self, *kinds: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] in kinds]

    def find(self, kind: str, name: str) -> Object | None:
        return next((item for item in self.of(kind) if item["metadata"]["name"] == name), None)

    def workloads(self) -> list[Workload]:
        return [Workload(item) for item in self.of(*LONG_RUNNING, "Job", "CronJob")]

    def selected(self, labels: Mapping[str, Any]) -> list[Workload]:
        """Return workloads whose pods match a selector (matchLabels, operator In)."""
        wanted = labels.get("matchLabels", {})
        sets = labels.get("matchExpressions", [])
        unknown = {rule["operator"] for rule in sets} - {"In"}
        if unknown:
            raise ValueError(f"selector operator {', '.join(sorted(unknown))} is not understood by the checks: use In")
        return [
            workload
            for workload in self.workloads()
            if all(workload.labels.get(key) == value for key, value in wanted.items())
            and all(workload.labels.get(rule["key"]) in rule["values"] for rule in sets)
        ]

    def of_an_operator(self, labels: Mapping[str, Any]) -> bool:
        """Return whether a selector means pods that an operator makes from an object here."""
        cluster = labels.get("matchLabels", {}).get("cnpg.io/cluster")
        return cluster is not None and self.find("Cluster", cluster) is not None

    def services_of(self, workload: Workload) -> list[Object]:
        """Return the Services of its pods."""
        return [
            service
            for service in self.of("Service")
            if workload.ref in [one.ref for one in self.selected({"matchLabels": service["spec"].get("selector", {})})]
        ]

    def served(self, workload: Workload) -> bool:
        """Return whether its pods have a Service."""
        return bool(self.services_of(workload))

    def autoscalers(self) -> list[Object]:
        """Return HorizontalPodAutoscalers, including KEDA's for each ScaledObject."""
        found = self.of("HorizontalPodAutoscaler")
        for item in self.of("ScaledObject"):
            spec = item["spec"]
            made = {
                "scaleTargetRef": {"kind": "Deployment", **spec["scaleTargetRef"]},
                "minReplicas": spec.get("minReplicaCount", 0),
                "maxReplicas": spec.get("maxReplicaCount", 100),
                "behavior": spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior", {}),
            }
            found.append({**item, "spec": made})
        return found

    def autoscaler(self, workload: Workload) -> Object | None:
        for item in self.autoscalers():
            target = item["spec"]["scaleTargetRef"]
            if f"{target['kind']}/{target['name']}" == workload.ref:
                return item
        return None

    def replicas(self, workload: Workload) -> tuple[int, int]:
        """Return the least and the most pods, without a rollout's extra ones."""
        scaler = self.autoscaler(workload)
        if scaler:
            return int(scaler["spec"].get("minReplicas", 1)), int(scaler["spec"]["maxReplicas"])
        number = int(workload.spec.get("replicas" if workload.long_running else "parallelism", 1))
        return number, number

    def environment(self, container: Object) -> Iterator[Variable]:
        """Yield its variables in the order Kubernetes applies them: envFrom, then env."""
        values: dict[str, str | None] = {}
        for source in container.get("envFrom", []):
            config = self.find("ConfigMap", source.get("configMapRef", {}).get("name", ""))
            if config:
                prefix = source.get("prefix", "")
                values |= {f"{prefix}{key}": value for key, value in config.get("data", {}).items()}
        for entry in container.get("env", []):
            values[entry["name"]] = entry.get("value", self._config_value(entry.get("valueFrom", {})))
        return (Variable(name, value) for name, value in values.items())

    def _config_value(self, source: Object) -> str | None:
        wanted = source.get("configMapKeyRef")
        config = self.find("ConfigMap", wanted["name"]) if wanted else None
        return config.get("data", {}).get(wanted["key"]) if config and wanted else None
