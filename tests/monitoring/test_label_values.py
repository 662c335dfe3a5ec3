"""Rules and dashboards ask for label values that the product has.

One with `kind="handshake"` loads like any other, and never fires.
"""

import ast
import re
from types import SimpleNamespace

import httpx
import pytest
import yaml

from config.requests import route_of
from core.errors import Close, FrameRefused
from monitoring import panels
from tests.monitoring.programs import MONITORING
from tests.support.server import ROOT, Server

RULES = yaml.safe_load((MONITORING / "prometheus" / "rules.yaml").read_text())["groups"][0]["rules"]
EXPRESSIONS = [rule["expr"] for rule in RULES]
EXPRESSIONS += [query for one in panels.DASHBOARDS for row in one.rows for panel in row.panels for query, _ in panel.series]


def asked() -> dict[tuple[str, str], set[str]]:
    """Return the values that the expressions ask for, by metric and label."""
    found: dict[tuple[str, str], set[str]] = {}
    for expression in EXPRESSIONS:
        for metric, matchers in re.findall(r"\b(up|hubbub_\w+)\{([^}]*)\}", expression):
            for label, operator, value in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', matchers):
                values = value.split("|") if "~" in operator else [value]
                found.setdefault((metric, label), set()).update(values)
    return found


def kinds_of_refusals() -> set[str]:
    """Return the first argument of each call of note_refusal.

    The throttle hands over what its counter was given.
    """
    found = set()
    for path in (ROOT / "app").rglob("*.py"):
        counters = {"note_refusal", "_count"} if path.name == "throttle.py" else {"note_refusal"}
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in counters:
                kind = node.args[0]
                if isinstance(kind, ast.JoinedStr):
                    assert isinstance(kind.values[0], ast.Constant)
                    # Of the throttle's, which end with an address, the part before the colon.
                    begun, colon, _ = str(kind.values[0].value).partition(":")
                    found.add(begun if colon else f"{begun}…")
                elif isinstance(kind, ast.Constant):
                    found.add(str(kind.value))
    return found


def codes_of(refusal: type[FrameRefused]) -> set[str]:
    return {refusal.code}.union(*(codes_of(one) for one in refusal.__subclasses__()))


def ways() -> set[str]:
    source = (ROOT / "app" / "core" / "metrics.py").read_text()
    return set(re.findall(r'^DELIVERY_\w+ = Spread\(DELIVERY_SHOWN\.labels\("(\w+)"\)\)$', source, flags=re.MULTILINE))


def kind_of(route: str) -> str:
    return route_of(SimpleNamespace(path_info=f"/{route}", resolver_match=SimpleNamespace(route=route)))[1]  # type: ignore[arg-type]


def jobs() -> set[str]:
    """Return the names under which Prometheus knows web, in compose and in a cluster."""
    config = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())
    monitor = yaml.safe_load((ROOT / "k8s" / "components" / "prometheus-operator" / "pods.yaml").read_text())
    documents = yaml.safe_load_all((ROOT / "k8s" / "base" / "web.yaml").read_text())
    (web,) = (one for one in documents if one["kind"] == "Deployment")
    label = web["spec"]["template"]["metadata"]["labels"][monitor["spec"]["jobLabel"]]
    return {label} & {job["job_name"] for job in config["scrape_configs"]}


@pytest.mark.once
def test_rules_and_panels_ask_for_values_that_exist() -> None:
    known = {
        ("hubbub_refusals_total", "kind"): kinds_of_refusals(),
        ("hubbub_frames_refused_total", "code"): codes_of(FrameRefused),
        ("hubbub_sockets_closed_total", "code"): {str(int(code)) for code in Close},
        ("hubbub_http_requests_seconds_count", "status"): {f"{hundreds}xx" for hundreds in range(1, 6)},
        ("hubbub_delivery_seconds_bucket", "way"): ways(),
        ("hubbub_http_seconds_bucket", "kind"): {kind_of("api/rooms"), kind_of("rooms/lobby/")},
        ("up", "job"): jobs(),
    }
    wrong = {where: values - known.get(where, set()) for where, values in asked().items()}
    assert {where: values for where, values in wrong.items() if values} == {}
    # Else the expressions were not understood.
    assert asked().keys() >= {("hubbub_refusals_total", "kind"), ("hubbub_sockets_closed_total", "code"), ("up", "job")}


@pytest.mark.once
def test_page_names_every_kind_of_refusal() -> None:
    (line,) = (
        line
        for line in (ROOT / "docs" / "observability.md").read_text().splitlines()
        if line.startswith("| `hubbub_refusals_total`")
    )
    assert set(re.findall(r"`([^`]+)`", line)) - {"hubbub_refusals_total", "kind"} == kinds_of_refusals()


async def test_status_of_requests_has_the_form_of_the_rules(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.base_url, timeout=10) as http:
        assert (await http.get("/api/rooms/no-such-room-at-all")).status_code // 100 == 4
        shown = (await http.get("/metrics")).text
    assert re.search(r'^hubbub_http_requests_seconds_count\{[^}]*status="4xx"', shown, flags=re.MULTILINE)
