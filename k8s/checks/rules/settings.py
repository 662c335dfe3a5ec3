"""Settings in the manifests: known to us, and consistent."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from k8s.checks.manifests import Manifests, Object, Workload, ref
from k8s.checks.rules.images import repository
from loadtest import options as load

CHECKOUT = Path(__file__).resolve().parents[3]
# Variables of foreign images, from their documentation.
FOREIGN = {
    "postgres": {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE", "POSTGRES_INITDB_ARGS", "PGDATA", "LANG"}
    | {"POSTGRES_OWNER_PASSWORD_FILE"},  # of our own postgres-role.sh
    "redis": set[str](),
    "hubbub-loadtest": {name.upper().replace("-", "_") for name, _, _ in load.ARGUMENTS}
    | {"ROLE", "MASTER", "EXPECT_WORKERS", "URL", "USERS", "SPAWN_RATE", "HEADLESS"},
}
# Connections that Postgres reserves for administrators, and an operator's own session.
RESERVED_CONNECTIONS = 10
HTTPS = 443
CLOSED = {"SIGNUP_OPEN", "ROOMS_ON_FIRST_USE", "ALLOW_SEED", "DEBUG"}
# Both the app and nginx limit handshakes and uploads; the lower limit would hide the other.
SHARED = ("LIMIT_HANDSHAKES_PER_S", "LIMIT_FILE_MB")
# Capacity of 2 CPUs and 4 GB without the kubelet, the network and the DNS.
SMALL_NODE_MILLICORES, SMALL_NODE_MIB = 1500, 2560
FALSE, TRUE = {"0", "false", "no", "off"}, {"1", "true", "yes", "on"}


def settings_are_known(manifests: Manifests) -> Iterator[str]:
    """Require known names: a misspelt one silently leaves the default."""
    for workload, container in _containers(manifests):
        known = _known_names(repository(container))
        for variable in manifests.environment(container):
            if variable.name not in known:
                yield f"{workload.ref}: container {container['name']}: {variable.name} is no setting of {repository(container)}"


def values_are_of_their_kind(manifests: Manifests) -> Iterator[str]:
    """Require values of the right kind: otherwise the pod fails at its start."""
    kinds = {variable.name: variable for variable in _variables().VARIABLES}
    for workload, container in _containers(manifests):
        for variable in manifests.environment(container):
            known = kinds.get(variable.name)
            if known is None or variable.value is None or repository(container) not in {"hubbub-web", "hubbub-nginx"}:
                continue
            if not _fits(known, variable.value):
                yield f"{workload.ref}: container {container['name']}: {variable.name}={variable.value!r} is no {known.kind}"


def _fits(variable: Any, value: str) -> bool:
    """Return whether a value fits the variable's kind in variables.py."""
    match variable.kind:
        case "int":
            return value.isascii() and value.isdigit() and variable.minimum <= int(value) <= variable.maximum
        case "bool":
            return value.lower() in FALSE | TRUE
        case "choice":
            return value in variable.choices
        case "networks":
            return all(map(_is_network, value.split(",")))
        case _:
            return value == value.strip()


def _is_network(item: str) -> bool:
    try:
        ip_network(item.strip(), strict=False)
    except ValueError:
        return False
    return True


def strangers_stay_out(manifests: Manifests) -> Iterator[str]:
    """Refuse seeding and debugging, and open sign-up unless the overlay sets it."""
    for workload in manifests.workloads():
        if workload.ref != "Deployment/web":
            continue
        values = dict(variable for container in workload.containers for variable in manifests.environment(container))
        for name in sorted(CLOSED & values.keys() | {"SIGNUP_OPEN", "ROOMS_ON_FIRST_USE"}):
            if (values.get(name) or "").lower() not in FALSE:
                yield f"{workload.ref}: {name} is not false"


def public_address_agrees(manifests: Manifests) -> Iterator[str]:
    """Require PUBLIC_URL with https, and an Ingress for its host."""
    urls = {
        value
        for _, container in _containers(manifests)
        for name, value in manifests.environment(container)
        if name == "PUBLIC_URL" and value
    }
    if len(urls) != 1:
        yield f"PUBLIC_URL: {len(urls)} values are set: there must be one (configMapGenerator of the overlay)"
        return
    url = urls.pop()
    public = urlsplit(url)
    if url != url.lower() or not url.isascii() or url.endswith("/") or public.port == HTTPS:
        # The app would normalise it, but the Ingress' host is cut out of the literal text.
        yield "PUBLIC_URL: is not as browsers send it: use lower case, ASCII (xn--), no :443 and no / at the end"
    if public.scheme != "https":
        yield f"PUBLIC_URL: starts with {public.scheme}: use https"
    for ingress in manifests.of("Ingress"):
        hosts = {rule.get("host") for rule in ingress["spec"].get("rules", [])}
        hosts |= {host for entry in ingress["spec"].get("tls", []) for host in entry.get("hosts", [])}
        if hosts != {public.hostname}:
            yield f"{ref(ingress)}: answers for {', '.join(sorted(map(str, hosts)))}, PUBLIC_URL says {public.hostname}"
        if not ingress["spec"].get("tls"):
            yield f"{ref(ingress)}: no tls"
    for route in manifests.of("HTTPRoute"):
        if route["spec"].get("hostnames") != [public.hostname]:
            named = ", ".join(route["spec"].get("hostnames", ["everything"]))
            yield f"{ref(route)}: answers for {named}, PUBLIC_URL says {public.hostname}"


def tls_ends_once(manifests: Manifests) -> Iterator[str]:
    """Require plain HTTP from an Ingress to nginx.

    With TLS nginx would redirect it for ever.
    """
    for workload, container in _containers(manifests):
        if "TLS_CERTIFICATE" in dict(manifests.environment(container)):
            for ingress in manifests.of("Ingress", "HTTPRoute"):
                yield f"{workload.ref}: ends TLS, and so does {ref(ingress)}: use one of the two components"


def upstream_is_web(manifests: Manifests) -> Iterator[str]:
    """Require nginx's upstream to be our Service's port and bare name."""
    for workload, container in _containers(manifests):
        if repository(container) != "hubbub-nginx":
            continue
        name, _, port = (dict(manifests.environment(container)).get("UPSTREAM") or "").partition(":")
        service = manifests.find("Service", name)
        if service is None:
            yield f"{workload.ref}: UPSTREAM {name} is not the bare name of a Service here"
        elif port not in {str(one["port"]) for one in service["spec"]["ports"]}:
            yield f"{workload.ref}: UPSTREAM names port {port}, which {ref(service)} does not have"


def nginx_has_its_own_settings(manifests: Manifests) -> Iterator[str]:
    """Require nginx to use no ConfigMap of the app, whose changes would restart it.

    Shared values must be equal.
    """
    values: dict[str, dict[str, str | None]] = {}
    read: dict[str, set[str]] = {"hubbub-web": set(), "hubbub-nginx": set()}
    for workload, container in _containers(manifests):
        image = repository(container)
        if image in read and workload.ref != "Deployment/worker":
            values[image] = dict(manifests.environment(container))
            read[image] |= _config_maps(container)
    for name in sorted(read["hubbub-web"] & read["hubbub-nginx"]):
        yield f"Deployment/nginx: reads ConfigMap/{name}, as web does: a change of web's settings would restart it"
    for name in SHARED:
        ours, theirs = (values.get(image, {}).get(name) for image in ("hubbub-web", "hubbub-nginx"))
        if ours != theirs:
            yield f"Deployment/nginx: {name} is {theirs}, and {ours} for web: set both alike"


def _config_maps(container: Object) -> set[str]:
    sources = [source.get("configMapRef") for source in container.get("envFrom", [])]
    sources += [entry.get("valueFrom", {}).get("configMapKeyRef") for entry in container.get("env", [])]
    return {source["name"] for source in sources if source}


def requests_fit_a_small_node(manifests: Manifests) -> Iterator[str]:
    """Require the fewest pods, plus one per Deployment, to fit 2 CPUs and 4 GB."""
    cpu = memory = 0
    for workload in manifests.workloads():
        if str(workload.labels.get("app.kubernetes.io/component", "")).startswith("loadtest"):
            continue  # has its own nodes: k8s/components/loadtest
        pods = manifests.replicas(workload)[0] + (1 if _surges(workload) else 0)
        requests = [container["resources"]["requests"] for container in workload.containers]
        # Init containers run before the others: a pod requests the larger of the two.
        cpu += pods * max(_millicores(str(one["cpu"])) for one in requests)
        memory += pods * max(_mebibytes(str(one["memory"])) for one in requests)
    if cpu > SMALL_NODE_MILLICORES:
        yield f"all pods ask for {cpu}m CPU with a rollout under way: a small node has {SMALL_NODE_MILLICORES}m"
    if memory > SMALL_NODE_MIB:
        yield f"all pods ask for {memory} MiB with a rollout under way: a small node has {SMALL_NODE_MIB} MiB"


def _surges(workload: Workload) -> bool:
    return workload.kind == "Deployment" and workload.spec.get("strategy", {}).get("type") != "Recreate"


def _millicores(quantity: str) -> int:
    return int(quantity[:-1]) if quantity.endswith("m") else int(float(quantity) * 1000)


def connections_fit(manifests: Manifests) -> Iterator[str]:
    """Require all processes of a rollout to fit Postgres's limit of connections."""
    database = manifests.find("StatefulSet", "postgres")
    if database is None:
        return
    arguments = " ".join(database["spec"]["template"]["spec"]["containers"][0].get("args", []))
    limit = re.search(r"max_connections=(\d+)", arguments)
    allowed = int(limit[1]) if limit else 100
    needed = RESERVED_CONNECTIONS
    for workload, container in _containers(manifests):
        if repository(container) == "hubbub-web":
            pods = manifests.replicas(workload)[1] + (1 if workload.kind == "Deployment" else 0)
            needed += pods * _processes(workload, container) * _pool(manifests, container)
    if needed > allowed:
        yield f"{ref(database)}: max_connections {allowed} is below the {needed} that all processes may hold"


def memory_ceiling_fits(manifests: Manifests) -> Iterator[str]:
    """Require all workers at a set ceiling, plus a successor, to fit the pod."""
    for workload, container in _containers(manifests):
        values = dict(manifests.environment(container))
        ceiling, limit = int(values.get("WORKER_MEMORY_MAX_MB") or 0), str(container["resources"]["limits"]["memory"])
        if workload.ref != "Deployment/web" or not ceiling:
            continue
        needed = _processes(workload, container) * ceiling + int(values.get("WORKER_MEMORY_MB") or _default("WORKER_MEMORY_MB"))
        if needed > _mebibytes(limit):
            yield f"{workload.ref}: WORKER_MEMORY_MAX_MB {ceiling} for each worker and a successor is {needed} MiB, of {limit}"


_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def _mebibytes(quantity: str) -> int:
    number = quantity.rstrip("KMGi")
    return int(number) * _UNITS[quantity.removeprefix(number)] // 2**20


def _default(name: str) -> str:
    return str(next(variable.default for variable in _variables().VARIABLES if variable.name == name))


def _processes(workload: Workload, container: Object) -> int:
    """Return a container's workers.

    One per whole CPU of its limit, as in scripts/run_gunicorn.sh.
    """
    if workload.ref != "Deployment/web":
        return 1
    cpu = str(container["resources"]["limits"]["cpu"])
    return max(1, int(cpu[:-1]) // 1000 if cpu.endswith("m") else int(float(cpu)))


def _pool(manifests: Manifests, container: Object) -> int:
    values = dict(manifests.environment(container))
    return int(values.get("DATABASE_POOL_SIZE") or _default("DATABASE_POOL_SIZE"))


def _containers(manifests: Manifests) -> Iterator[tuple[Workload, Object]]:
    for workload in manifests.workloads():
        for container in workload.containers:
            yield workload, container


@cache
def _variables() -> ModuleType:
    """Load app/config/variables.py: the table needs no Django."""
    app = str(CHECKOUT / "app")
    if app not in sys.path:
        sys.path.insert(0, app)
    return importlib.import_module("config.variables")


@cache
def _known_names(image: str) -> frozenset[str]:
    if image == "hubbub-web":
        table = [variable for variable in _variables().VARIABLES if variable.scope != "compose"]
        return frozenset(v.name for v in table) | {f"{v.name}_FILE" for v in table if v.kind == "secret"}
    if image == "hubbub-nginx":
        script = (CHECKOUT / "nginx" / "render").read_text()
        return frozenset(re.findall(r"^(?:number|text) ([A-Z_]+)", script, re.MULTILINE)) | {"TRUSTED_PROXIES"}
    return frozenset(FOREIGN.get(image, set()))
