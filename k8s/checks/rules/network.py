"""Network policies deny all traffic by default, and each permission has a target."""

from __future__ import annotations

from collections.abc import Iterator

from k8s.checks.manifests import Manifests, Object, Workload, ref

# Components that may reach the data. nginx is not among them.
MAY_REACH = {"postgres": {"web", "worker"}, "redis": {"web", "worker", "redis"}, "web": {"nginx"}}
COMPONENT = "app.kubernetes.io/component"


def all_is_denied_first(manifests: Manifests) -> Iterator[str]:
    """Require a policy that denies all traffic of every pod, new workloads included."""
    for item in manifests.of("NetworkPolicy"):
        spec = item["spec"]
        selects_all = spec["podSelector"] == {} and set(spec["policyTypes"]) == {"Ingress", "Egress"}
        if selects_all and not spec.keys() & {"ingress", "egress"}:
            return
    yield "no NetworkPolicy denies everything by default"


def permissions_lead_somewhere(manifests: Manifests) -> Iterator[str]:
    """Require policies to select our pods, existing peers, and open ports."""
    for item in manifests.of("NetworkPolicy"):
        own = manifests.selected(item["spec"]["podSelector"])
        if not own and not manifests.of_an_operator(item["spec"]["podSelector"]):
            yield f"{ref(item)}: selects no pods"
        for direction, peers_in in (("ingress", "from"), ("egress", "to")):
            for rule in item["spec"].get(direction, []):
                peers = [peer for peer in rule.get(peers_in, []) if set(peer) == {"podSelector"}]
                for peer in peers:
                    if not manifests.selected(peer["podSelector"]) and not manifests.of_an_operator(peer["podSelector"]):
                        yield f"{ref(item)}: {direction} names pods that do not exist: {peer['podSelector']}"
                called = [workload for peer in peers for workload in manifests.selected(peer["podSelector"])]
                yield from _closed_ports(item, rule, own if direction == "ingress" else called)


def data_is_kept_away(manifests: Manifests) -> Iterator[str]:
    """Allow only the app to reach Postgres and Redis, only nginx and Prometheus web."""
    for item in manifests.of("NetworkPolicy"):
        for workload in manifests.selected(item["spec"]["podSelector"]):
            allowed = MAY_REACH.get(workload.labels.get(COMPONENT, ""))
            if allowed is None:
                continue
            for rule in item["spec"].get("ingress", []):
                if not rule.get("from"):
                    yield f"{ref(item)}: lets everybody reach {workload.ref}"
                for peer in rule.get("from", []):
                    if "ipBlock" in peer:
                        yield f"{ref(item)}: lets addresses reach {workload.ref}: name pods"
                    found = {one.labels.get(COMPONENT, "") for one in manifests.selected(peer.get("podSelector", {}))}
                    if "namespaceSelector" not in peer and not found <= allowed:
                        yield f"{ref(item)}: lets {', '.join(sorted(found - allowed))} reach {workload.ref}"


def servers_can_be_reached(manifests: Manifests) -> Iterator[str]:
    """Require a policy for each Service: the default denies its traffic."""
    opened = {
        workload.ref
        for item in manifests.of("NetworkPolicy")
        if item["spec"].get("ingress")
        for workload in manifests.selected(item["spec"]["podSelector"])
    }
    for workload in manifests.workloads():
        if manifests.served(workload) and workload.ref not in opened:
            yield f"{workload.ref}: no NetworkPolicy lets anybody reach it"


def _closed_ports(item: Object, rule: Object, receivers: list[Workload]) -> Iterator[str]:
    for port in rule.get("ports", []):
        for workload in receivers:
            if workload.port(port["port"], port.get("protocol", "TCP")) is None:
                yield f"{ref(item)}: port {port['port']} is not one of {workload.ref}"
