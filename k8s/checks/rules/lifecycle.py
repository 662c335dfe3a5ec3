"""How pods come, go and are replaced, without a socket lost that could have been handed over."""

from __future__ import annotations

from collections.abc import Iterator

from k8s.checks.manifests import Manifests, Object, Workload, ref

#: What is left of the grace period for a process to end after its drain.
MARGIN_S = 10
#: Until every node and load balancer has taken a pod out that is to end.
ENDPOINTS_S = 5
#: How long a cluster DNS may keep an answer: kubeadm before 1.33, the stock CoreDNS add-on, NodeLocal DNSCache.
DNS_CACHE_S = 30
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
    """A replicated server that stops at once refuses what is still being sent to it, by whatever leads to its pods."""
    for workload in manifests.workloads():
        if not _replicated(manifests, workload) or not manifests.served(workload):
            continue
        headless = any(_headless(service) for service in manifests.services_of(workload))
        least = DNS_CACHE_S + ENDPOINTS_S if headless else ENDPOINTS_S
        if workload.pre_stop_seconds() < least:
            reason = f", for a DNS may cache pods' addresses for {DNS_CACHE_S} s" if headless else ""
            yield f"{workload.ref}: no preStop sleep of at least {least} s{reason}"


def services_have_an_address(manifests: Manifests) -> Iterator[str]:
    """A cluster DNS that caches answers hides the address of a new pod, and the absence of one, for as long."""
    for service in manifests.of("Service"):
        for workload in manifests.selected({"matchLabels": service["spec"]["selector"]}):
            if _headless(service) and not _replicated(manifests, workload):
                yield f"{ref(service)}: headless, so a new pod of {workload.ref} is found only when the DNS is asked anew"


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


def no_jobs(manifests: Manifests) -> Iterator[str]:
    """A Job that is deleted once it has finished is applied anew, and its template cannot be changed by an apply."""
    for item in manifests.of("Job", "CronJob"):
        yield f"{ref(item)}: each `kubectl diff` would differ once it is gone: use an init container"


def migrations_run_first(manifests: Manifests) -> Iterator[str]:
    """An init container migrates, and waits for a database that is still starting instead of failing."""
    for workload in manifests.workloads():
        for container in workload.pod.get("initContainers", []):
            arguments = container.get("args", [])
            if "migrate" in arguments:
                if "--wait" not in arguments:
                    yield f"{workload.ref}: container {container['name']}: fails while the database starts: migrate --wait"
                return
    yield "no init container migrates"


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


def _headless(service: Object) -> bool:
    return bool(service["spec"].get("clusterIP") == "None")


def _replicated(manifests: Manifests, workload: Workload) -> bool:
    return workload.long_running and manifests.replicas(workload)[1] > 1
