"""Pods: bounded, unprivileged, and probed."""

from __future__ import annotations

from collections.abc import Iterator

from k8s.checks import custom
from k8s.checks.manifests import Manifests, Object, Workload, ref

SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC")
# Volume types of the "restricted" Pod Security Standard that we use.
VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


def resources_are_bounded(manifests: Manifests) -> Iterator[str]:
    """Require requests, for scheduling, and limits, to contain a leak in its pod."""
    for workload in manifests.workloads():
        for container in workload.containers:
            resources = container.get("resources", {})
            for side in ("requests", "limits"):
                for name in ("cpu", "memory", "ephemeral-storage"):
                    if name not in resources.get(side, {}):
                        yield f"{workload.ref}: container {container['name']}: no {side} of {name}"


def scratch_is_bounded(manifests: Manifests) -> Iterator[str]:
    """Require a size for each emptyDir.

    Without one it may fill the node's disk or memory.
    """
    for workload in manifests.workloads():
        for volume in workload.pod.get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
                yield f"{workload.ref}: volume {volume['name']}: an emptyDir without sizeLimit"


def runs_unprivileged(manifests: Manifests) -> Iterator[str]:
    """Check the "restricted" Pod Security Standard in the manifests, before admission."""
    for workload in manifests.workloads():
        yield from (f"{workload.ref}: {found}" for found in _host_access(workload))
        for container in workload.containers:
            yield from (f"{workload.ref}: container {container['name']}: {found}" for found in _privileges(workload, container))


def _host_access(workload: Workload) -> Iterator[str]:
    for field in HOST_FIELDS:
        if workload.pod.get(field):
            yield f"{field} is on"
    for volume in workload.pod.get("volumes", []):
        for kind in volume.keys() - VOLUMES - {"name"}:
            yield f"volume {volume['name']} is of the type {kind}"
    for container in workload.containers:
        for port in container.get("ports", []):
            if port.get("hostPort"):
                yield f"container {container['name']} takes the node's port {port['hostPort']}"


def _privileges(workload: Workload, container: Object) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = {**workload.pod.get("securityContext", {}), **own}
    if both.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    # An image's user may be a name, which the kubelet cannot tell from root.
    if not isinstance(both.get("runAsUser"), int) or both["runAsUser"] < 1:
        yield "runAsUser is not a number above 0"
    if both.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "seccompProfile is not RuntimeDefault"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if own.get("privileged"):
        yield "privileged is on"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []) or capabilities.get("add"):
        yield "capabilities are not dropped: drop ALL, add none"


def root_file_system_is_read_only(manifests: Manifests) -> Iterator[str]:
    """Require a read-only root, safe from intruders, and volumes for all writes."""
    for workload in manifests.workloads():
        for container in workload.containers:
            if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
                yield f"{workload.ref}: container {container['name']}: readOnlyRootFilesystem is not true"


def scratch_does_not_hold_a_node(manifests: Manifests) -> Iterator[str]:
    """Require emptyDirs marked as disposable.

    Otherwise a cluster autoscaler keeps their node.
    """
    for workload in (one for one in manifests.workloads() if one.kind == "Deployment"):
        scratch = [volume["name"] for volume in workload.pod.get("volumes", []) if "emptyDir" in volume]
        if scratch and workload.template["metadata"].get("annotations", {}).get(SAFE_TO_EVICT) not in {"true", "false"}:
            yield f"{workload.ref}: has emptyDirs and no annotation {SAFE_TO_EVICT}"


def no_api_access(manifests: Manifests) -> Iterator[str]:
    """Refuse tokens of the Kubernetes API: none of our pods uses it."""
    for item in manifests.of("ServiceAccount"):
        if item.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount/{item['metadata']['name']}: automountServiceAccountToken is not false"
    for workload in manifests.workloads():
        if workload.pod.get("automountServiceAccountToken") is not False:
            yield f"{workload.ref}: automountServiceAccountToken is not false"
        if workload.pod.get("serviceAccountName", "default") == "default":
            yield f"{workload.ref}: no service account of its own"


def no_service_links(manifests: Manifests) -> Iterator[str]:
    """Refuse service links.

    They add variables like REDIS_PORT, named after any Service of the namespace.
    """
    for workload in manifests.workloads():
        if workload.pod.get("enableServiceLinks") is not False:
            yield f"{workload.ref}: enableServiceLinks is not false"


def priorities_are_given(manifests: Manifests) -> Iterator[str]:
    """Require a PriorityClass for all pods if there are any classes.

    A pod without one has priority 0 and goes first. Kustomize says nothing about a patch without a target.
    """
    classes = {item["metadata"]["name"] for item in manifests.of("PriorityClass")}
    if not classes:
        return
    pods = [(workload.ref, workload.pod) for workload in manifests.workloads()]
    pods += [(ref(item), item["spec"]) for item in manifests.objects if custom.makes_pods(item)]
    for reference, pod in pods:
        given = pod.get("priorityClassName")
        if given is None:
            yield f"{reference}: no priorityClassName: list the component priority last, which has a patch for each workload"
        elif given not in classes:
            yield f"{reference}: no PriorityClass is called {given}"


def probes_are_there(manifests: Manifests) -> Iterator[str]:
    """Require probes with time limits: liveness, and behind a Service all three."""
    for workload in (one for one in manifests.workloads() if one.long_running):
        wanted = ["livenessProbe", *(["startupProbe", "readinessProbe"] if manifests.served(workload) else [])]
        for container in workload.pod["containers"]:
            for probe in wanted:
                if probe not in container:
                    yield f"{workload.ref}: container {container['name']}: no {probe}"
                elif "timeoutSeconds" not in container[probe]:
                    yield f"{workload.ref}: container {container['name']}: {probe} without timeoutSeconds"


def liveness_asks_the_process_only(manifests: Manifests) -> Iterator[str]:
    """Require liveness without the database.

    Otherwise its short outage restarts every replica.
    """
    for workload in manifests.workloads():
        for container in workload.pod["containers"]:
            for probe in ("startupProbe", "livenessProbe"):
                if container.get(probe, {}).get("httpGet", {}).get("path") == "/readyz":
                    yield f"{workload.ref}: container {container['name']}: {probe} asks /readyz: ask /healthz"
