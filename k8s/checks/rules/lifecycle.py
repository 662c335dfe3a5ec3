"""How pods come, go and are replaced, without a socket lost that could have been handed over."""

from __future__ import annotations

from collections.abc import Iterator

from k8s.checks.manifests import Manifests, Workload, ref

#: What is left of the grace period for a process to end after its drain.
MARGIN_S = 10
#: The least quiet time before the autoscaler takes a pod away.
QUIET_S = 300


def drain_seconds(manifests: Manifests, workload: Workload) -> int | None:
    """DRAIN_SECONDS as its containers are told; None for those that know no such setting."""
    values = {
        variable.value
        for container in workload.containers
        for variable in manifests.environment(container)
        if variable.name == "DRAIN_SECONDS" and variable.value is not None
    }
    return max((int(value) for value in values), default=None)


def grace_covers_the_drain(manifests: Manifests) -> Iterator[str]:
    """The grace period runs from before preStop, so it must hold sleep, drain and a margin."""
    for workload in manifests.workloads():
        drain, grace = drain_seconds(manifests, workload), workload.pod.get("terminationGracePeriodSeconds")
        if grace is None:
            yield f"{workload.ref}: no terminationGracePeriodSeconds"
        elif drain is not None and grace < (needed := workload.pre_stop_seconds() + drain + MARGIN_S):
            yield (
                f"{workload.ref}: terminationGracePeriodSeconds {grace} is too short: preStop "
                f"{workload.pre_stop_seconds()} + DRAIN_SECONDS {drain} + {MARGIN_S} is {needed}"
            )


def endpoints_drain_first(manifests: Manifests) -> Iterator[str]:
    """A replicated server that stops at once refuses what is still being sent to it."""
    for workload in manifests.workloads():
        if _replicated(manifests, workload) and manifests.served(workload) and workload.pre_stop_seconds() < 5:
            yield f"{workload.ref}: no preStop sleep of at least 5 s"


def rollouts_keep_capacity(manifests: Manifests) -> Iterator[str]:
    """A Deployment replaces its pods one by one, none before its successor is ready, and remembers a few releases."""
    for workload in (one for one in manifests.workloads() if one.long_running):
        if not 1 <= workload.spec.get("revisionHistoryLimit", 0) <= 10:
            yield f"{workload.ref}: revisionHistoryLimit is not between 1 and 10"
        update = workload.spec.get("strategy", {}).get("rollingUpdate", {})
        wanted = {"maxUnavailable": 0, "maxSurge": 1}
        if workload.kind == "Deployment" and _replicated(manifests, workload) and update != wanted:
            yield f"{workload.ref}: rollingUpdate is {update or 'the default'}: use maxUnavailable 0, maxSurge 1"


def replicas_survive_a_node(manifests: Manifests) -> Iterator[str]:
    """Replicas on one node, or all evicted together, are one replica."""
    budgets = manifests.of("PodDisruptionBudget")
    for workload in (one for one in manifests.workloads() if _replicated(manifests, one)):
        spread = workload.pod.get("topologySpreadConstraints", [])
        if "kubernetes.io/hostname" not in {one["topologyKey"] for one in spread}:
            yield f"{workload.ref}: no topologySpreadConstraints over kubernetes.io/hostname"
        for one in spread:
            if workload.ref not in [found.ref for found in manifests.selected(one.get("labelSelector", {}))]:
                yield f"{workload.ref}: the spread over {one['topologyKey']} selects other pods"
        covering = [one for one in budgets if workload.ref in [w.ref for w in manifests.selected(one["spec"]["selector"])]]
        if len(covering) != 1:
            yield f"{workload.ref}: {len(covering)} PodDisruptionBudgets: there must be one"


def budgets_let_nodes_drain(manifests: Manifests) -> Iterator[str]:
    """A budget that allows no eviction blocks every node's maintenance."""
    for budget in manifests.of("PodDisruptionBudget"):
        for workload in manifests.selected(budget["spec"]["selector"]):
            least, _ = manifests.replicas(workload)
            allowed = budget["spec"].get("maxUnavailable", least - int(budget["spec"].get("minAvailable", 0)))
            if int(allowed) < 1:
                yield f"{ref(budget)}: allows no eviction of {workload.ref} with {least} replicas"


def jobs_end(manifests: Manifests) -> Iterator[str]:
    """A Job gives up in finite time and clears itself away."""
    for workload in (one for one in manifests.workloads() if one.kind == "Job"):
        for field in ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
            if field not in workload.spec:
                yield f"{workload.ref}: no {field}"


def job_template_is_stable(manifests: Manifests) -> Iterator[str]:
    """A Job that names a generated ConfigMap changes with each setting, and a changed Job cannot be applied."""
    for workload in (one for one in manifests.workloads() if one.kind == "Job"):
        for container in workload.containers:
            sources = [source.get("configMapRef") for source in container.get("envFrom", [])]
            sources += [entry.get("valueFrom", {}).get("configMapKeyRef") for entry in container.get("env", [])]
            for source in filter(None, sources):
                yield f"{workload.ref}: container {container['name']}: reads ConfigMap/{source['name']}"
        for volume in workload.pod.get("volumes", []):
            if "configMap" in volume:
                yield f"{workload.ref}: volume {volume['name']}: reads ConfigMap/{volume['configMap']['name']}"


def autoscaling_is_gentle(manifests: Manifests) -> Iterator[str]:
    """Scaling down costs sockets: one pod at a time, after a quiet spell, and never against the manifest."""
    for scaler in manifests.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        found = manifests.find(target["kind"], target["name"])
        if found is None:
            yield f"{ref(scaler)}: scales {target['kind']}/{target['name']}, which does not exist"
        elif "replicas" in found["spec"]:
            yield f"{ref(scaler)}: {ref(found)} sets replicas: each apply would undo the autoscaler"
        down = scaler["spec"].get("behavior", {}).get("scaleDown", {})
        if down.get("stabilizationWindowSeconds", 0) < QUIET_S:
            yield f"{ref(scaler)}: scaleDown waits less than {QUIET_S} s"
        policies = down.get("policies", [])
        if not policies or any(one["type"] != "Pods" or one["value"] != 1 for one in policies):
            yield f"{ref(scaler)}: scaleDown takes more than one pod at a time"


def _replicated(manifests: Manifests, workload: Workload) -> bool:
    return workload.long_running and manifests.replicas(workload)[1] > 1
