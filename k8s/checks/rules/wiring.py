"""References: selectors, ports and names have a target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8s.checks.manifests import Manifests, Object, Workload, ref
from k8s.checks.rules.secrets import DOCUMENTED, OPTIONAL

PART_OF = "app.kubernetes.io/part-of"
# Places in a pod that name them: the field, the kind and, in a volume, the key.
WHOLE = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
ONE_KEY = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}
VOLUME = {"configMap": ("ConfigMap", "name"), "secret": ("Secret", "secretName")}


def selectors_match(manifests: Manifests) -> Iterator[str]:
    """Require a workload to select its own pods, a Service and a budget one workload."""
    for workload in manifests.workloads():
        if not workload.long_running:
            continue
        found = [one.ref for one in manifests.selected(workload.spec["selector"])]
        if found != [workload.ref]:
            yield f"{workload.ref}: its selector matches {', '.join(found) or 'no pods'}"
    for item in manifests.of("Service", "PodDisruptionBudget"):
        selector = item["spec"]["selector"]
        found = [one.ref for one in manifests.selected(selector if item["kind"] != "Service" else {"matchLabels": selector})]
        if len(found) != 1:
            yield f"{ref(item)}: its selector matches {', '.join(found) or 'no pods'}: it must match one workload's"


def files_are_backed_up(manifests: Manifests) -> Iterator[str]:
    """Require a backup to see the claim of uploaded files, where there is one.

    Otherwise the backup would leave them out without a word.
    """
    if manifests.find("PersistentVolumeClaim", "files") is None:
        return
    for workload in (one for one in manifests.workloads() if one.ref == "CronJob/backup"):
        claims = [volume.get("persistentVolumeClaim", {}).get("claimName") for volume in workload.pod["volumes"]]
        if "files" not in claims:
            yield f"{workload.ref}: does not mount the claim files: list components/backup before components/files"


def service_ports_exist(manifests: Manifests) -> Iterator[str]:
    """Require a Service's ports on its pods; a headless one cannot translate numbers."""
    for service in manifests.of("Service"):
        for workload in manifests.selected({"matchLabels": service["spec"]["selector"]}):
            for port in service["spec"]["ports"]:
                target = workload.port(port.get("targetPort", port["port"]), port.get("protocol", "TCP"))
                if target is None:
                    yield f"{ref(service)}: port {port.get('targetPort', port['port'])} is not one of {workload.ref}"
                elif service["spec"].get("clusterIP") == "None" and target != port["port"]:
                    yield f"{ref(service)}: headless, so port {port['port']} must be the pods' {target}"


def ingress_leads_somewhere(manifests: Manifests) -> Iterator[str]:
    """Require each path of an Ingress to name a Service and its port."""
    for ingress in manifests.of("Ingress"):
        for rule in ingress["spec"].get("rules", []):
            for path in rule["http"]["paths"]:
                wanted = path["backend"]["service"]
                service = manifests.find("Service", wanted["name"])
                ports = service["spec"]["ports"] if service else []
                if not set(wanted["port"].values()) & {port.get(field) for port in ports for field in ("name", "port")}:
                    yield f"{ref(ingress)}: leads to {wanted['name']} {wanted['port']}, which does not exist"


def references_exist(manifests: Manifests) -> Iterator[str]:
    """Require referenced objects in the rendering, or in the list of documented ones."""
    for workload in manifests.workloads():
        account = workload.pod.get("serviceAccountName")
        if account and not manifests.find("ServiceAccount", account):
            yield f"{workload.ref}: ServiceAccount/{account} does not exist"
        for kind, name, keys in _references(workload):
            yield from (f"{workload.ref}: {found}" for found in _missing(manifests, kind, name, keys))
        volumes = {volume["name"] for volume in workload.pod.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in workload.spec.get("volumeClaimTemplates", [])}
        mounts = {mount["name"] for container in workload.containers for mount in container.get("volumeMounts", [])}
        for name in sorted(mounts - volumes):
            yield f"{workload.ref}: mounts {name}, which is no volume"
        for name in sorted(volumes - mounts):
            yield f"{workload.ref}: volume {name} is mounted nowhere"


def secret_files_are_mounted(manifests: Manifests) -> Iterator[str]:
    """Require each variable NAME_FILE to name a file in a mounted volume."""
    for workload in manifests.workloads():
        volumes = {volume["name"]: volume for volume in workload.pod.get("volumes", [])}
        for container in workload.containers:
            files = set()
            for mount in container.get("volumeMounts", []):
                for item in volumes.get(mount["name"], {}).get("secret", {}).get("items", []):
                    files.add(f"{mount['mountPath']}/{item['path']}")
            for name, value in manifests.environment(container):
                if name.endswith("_FILE") and value not in files:
                    yield f"{workload.ref}: container {container['name']}: {name} names {value}, which no volume holds"


OF_THE_CLUSTER = {"Namespace", "PriorityClass"}


def one_namespace(manifests: Manifests) -> Iterator[str]:
    """Require one namespace, outside the rendering.

    Deleting it would delete the volume and the Secret.
    """
    for item in manifests.of("Namespace"):
        yield f"{ref(item)}: `kubectl delete -k` would take the volume and the Secret with it: k8s/create_secrets makes it"
    names = {item["metadata"].get("namespace") for item in manifests.objects if item["kind"] not in OF_THE_CLUSTER}
    if len(names) > 1 or None in names:
        yield f"objects are in the namespaces {', '.join(sorted(map(str, names)))}: there must be one"


def all_can_be_pruned(manifests: Manifests) -> Iterator[str]:
    """Require the label by which `kubectl apply --prune` finds removed objects."""
    for item in manifests.objects:
        if item["metadata"].get("labels", {}).get(PART_OF) != "hubbub":
            yield f"{ref(item)}: no label {PART_OF}: hubbub"


def _references(workload: Workload) -> Iterator[tuple[str, str, set[str]]]:
    """Yield (kind, name, keys) of every ConfigMap and Secret that the pod names."""
    for container in workload.containers:
        for source in container.get("envFrom", []):
            yield from ((kind, source[f]["name"], set()) for f, kind in WHOLE.items() if f in source)
        for source in (entry.get("valueFrom", {}) for entry in container.get("env", [])):
            yield from ((kind, source[f]["name"], _needed(source[f])) for f, kind in ONE_KEY.items() if f in source)
    for volume in workload.pod.get("volumes", []):
        for field, (kind, name) in VOLUME.items():
            if source := volume.get(field):
                yield kind, source[name], {item["key"] for item in source.get("items", [])}


def _needed(source: Object) -> set[str]:
    """Return the key of a variable, unless it is documented as optional."""
    return set() if source.get("optional") and source["key"] in OPTIONAL else {source["key"]}


def _missing(manifests: Manifests, kind: str, name: str, keys: set[str]) -> Iterator[str]:
    if kind == "Secret":
        known: Any = DOCUMENTED.get(name)
    else:
        found: Object | None = manifests.find(kind, name)
        known = None if found is None else found.get("data", {}).keys()
    if known is None:
        yield f"{kind}/{name} does not exist and is not documented"
        return
    for key in sorted(keys - set(known)):
        yield f"{kind}/{name} has no key {key}"
