"""Start, stop and replacement of pods without losing a socket."""

from __future__ import annotations

from collections.abc import Iterator

from k8s.checks.manifests import Manifests, Object, Workload, ref

# Rest of the grace period for the end of a process after its drain.
MARGIN_S = 10
# Time until every node and load balancer has removed a terminating pod.
ENDPOINTS_S = 5
# Longest caching by a cluster DNS: kubeadm before 1.33, the stock CoreDNS add-on, NodeLocal DNSCache.
DNS_CACHE_S = 30
# Shortest stabilisation before the autoscaler removes a pod.
QUIET_S = 300


def drain_seconds(manifests: Manifests, workload: Workload) -> int | None:
    """Return the containers' DRAIN_SECONDS; None for containers without this setting."""
    values = {
        variable.value
        for container in workload.containers
        for variable in manifests.environment(container)
        if variable.name == "DRAIN_SECONDS" and variable.value is not None
    }
    return max((int(value) for value in values), default=None)


def grace_covers_the_drain(manifests: Manifests) -> Iterator[str]:
    """Require a grace period, which includes preStop, for sleep, drain and a margin."""
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
    """Require a preStop sleep of replicated servers.

    One that stops at once refuses new requests.
    """
    for workload in manifests.workloads():
        if not _replicated(manifests, workload) or not manifests.served(workload):
            continue
        headless = any(_headless(service) for service in manifests.services_of(workload))
        least = DNS_CACHE_S + ENDPOINTS_S if headless else ENDPOINTS_S
        if workload.pre_stop_seconds() < least:
            reason = f", for a DNS may cache pods' addresses for {DNS_CACHE_S} s" if headless else ""
            yield f"{workload.ref}: no preStop sleep of at least {least} s{reason}"


def services_have_an_address(manifests: Manifests) -> Iterator[str]:
    """Require stable addresses.

    A caching cluster DNS hides new pods, and keeps removed ones.
    """
    for service in manifests.of("Service"):
        for workload in manifests.selected({"matchLabels": service["spec"]["selector"]}):
            if _headless(service) and not _replicated(manifests, workload):
                yield f"{ref(service)}: headless, so a new pod of {workload.ref} is found only when the DNS is asked anew"


def rollouts_keep_capacity(manifests: Manifests) -> Iterator[str]:
    """Require rollouts to replace pods one by one and keep a few old releases."""
    for workload in (one for one in manifests.workloads() if one.long_running):
        if not 1 <= workload.spec.get("revisionHistoryLimit", 0) <= 10:
            yield f"{workload.ref}: revisionHistoryLimit is not between 1 and 10"
        update = workload.spec.get("strategy", {}).get("rollingUpdate", {})
        wanted = {"maxUnavailable": 0, "maxSurge": 1}
        if workload.kind == "Deployment" and _replicated(manifests, workload) and update != wanted:
            yield f"{workload.ref}: rollingUpdate is {update or 'the default'}: use maxUnavailable 0, maxSurge 1"


def replicas_survive_a_node(manifests: Manifests) -> Iterator[str]:
    """Require replicas on several nodes, with an eviction budget."""
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
    """Require budgets to allow an eviction: otherwise no node can be drained."""
    for budget in manifests.of("PodDisruptionBudget"):
        for workload in manifests.selected(budget["spec"]["selector"]):
            least, _ = manifests.replicas(workload)
            allowed = budget["spec"].get("maxUnavailable", least - int(budget["spec"].get("minAvailable", 0)))
            if int(allowed) < 1:
                yield f"{ref(budget)}: allows no eviction of {workload.ref} with {least} replicas"


def no_jobs(manifests: Manifests) -> Iterator[str]:
    """Refuse Jobs.

    A finished and deleted one is applied again, and its template cannot be changed. Those that a CronJob makes are not applied.
    """
    for item in manifests.of("Job"):
        yield f"{ref(item)}: each `kubectl diff` would differ once it is gone: use an init container"


def migrations_run_first(manifests: Manifests) -> Iterator[str]:
    """Require an init container that migrates and waits for a starting database."""
    for workload in manifests.workloads():
        for container in workload.pod.get("initContainers", []):
            arguments = container.get("args", [])
            if "migrate" in arguments:
                if "--wait" not in arguments:
                    yield f"{workload.ref}: container {container['name']}: fails while the database starts: migrate --wait"
                return
    yield "no init container migrates"


def autoscaling_is_gentle(manifests: Manifests) -> Iterator[str]:
    """Require gentle scale-down, since it closes sockets.

    One pod at a time, after a quiet period.
    """
    for scaler in manifests.autoscalers():
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
