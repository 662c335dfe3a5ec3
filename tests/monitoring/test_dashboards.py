"""Every query of both dashboards and of the rules answers.

Prometheus reads a live server with traffic.
"""

import asyncio
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from time import monotonic

import httpx
import pytest
import yaml

from monitoring import panels
from monitoring.dashboards import files
from ops.doctor import backups
from tests.conftest import Connect
from tests.monitoring.programs import MONITORING, Prometheus, dashboards, until
from tests.support.chat_client import create_room, sign_up
from tests.support.profile import Profile
from tests.support.server import ROOT, Server

RULES = yaml.safe_load((MONITORING / "prometheus" / "rules.yaml").read_text())["groups"][0]["rules"]
ANSWERS_S = 60
# Of what did not happen to the server of a test there are no figures.
QUIET = {
    "hubbub_log_went_back_total",
    "hubbub_redis_refused_total",
    "hubbub_repairs_total",
    "hubbub_refusals_total",
    "hubbub_changes_total",
    "hubbub_live_values_total",
    "hubbub_events_of_kind_total",
    "hubbub_layer_round_trip_seconds_bucket",
    "hubbub_backup_timestamp_seconds",
}
QUERIES = sorted({query for one in panels.DASHBOARDS for row in one.rows for panel in row.panels for query, _ in panel.series})


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\bhubbub_\w+", expression))


@pytest.fixture(scope="module")
def prometheus(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with Prometheus(tmp_path_factory.mktemp("prometheus"), [f"127.0.0.1:{server.port}"]) as started:
        yield started


async def test_every_query_of_the_dashboards_answers(
    server: Server, connect: Connect, profile: Profile, prometheus: Prometheus
) -> None:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    chats = [await connect(ada), *[await connect(bob) for _ in range(4)]]
    for chat in chats:
        await chat.join(room)

    async def traffic() -> None:
        for _ in range(3):
            await chats[0].send(room, "counted")
        await chats[0].push("nonsense")
        await chats[0].expect_error("unknown_type")
        await chats[0].request("search", query="counted")
        async with httpx.AsyncClient(base_url=server.base_url, headers=ada.headers) as http:
            assert (await http.get("/api/rooms")).is_success
            await http.get("/accounts/sign-in/")

    missing: dict[str, str] = {}
    # A rate has two scrapes, however quick the machine is.
    deadline = monotonic() + ANSWERS_S
    while monotonic() < deadline:
        await traffic()
        missing = {
            query: "no sample"
            for query in QUERIES
            if not prometheus.query(query.replace("$rate", "20s")) and not names_in(query) <= QUIET
        }
        # Nothing was closed by the server yet.
        missing = {query: why for query, why in missing.items() if "hubbub_sockets_closed_total" not in query}
        if not missing:
            break
        await asyncio.sleep(0.5)
    assert not missing
    known = {metric["metric"]["__name__"] for metric in prometheus.query('{job="hubbub",__name__=~"hubbub_.*"}')}
    asked = set().union(*map(names_in, QUERIES), *(names_in(rule["expr"]) for rule in RULES))
    silent = {"hubbub_sockets_closed_total", "hubbub_log_went_back_total"}
    assert asked <= known | QUIET | silent
    if profile.redis:
        assert "hubbub_layer_round_trip_seconds_bucket" in known


@pytest.mark.once
def test_quiet_metrics_are_declared() -> None:
    """What a test does not make happen still has a name in the code."""
    sources = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    for name in QUIET:
        assert f'"{name.removesuffix("_bucket")}"' in sources, name


async def test_rules_load_and_none_fires_on_a_healthy_server(server: Server, prometheus: Prometheus) -> None:
    def evaluated() -> list[dict[str, str]]:
        groups = httpx.get(f"{prometheus.url}/api/v1/rules", timeout=5).json()["data"]["groups"]
        rules: list[dict[str, str]] = groups[0]["rules"] if groups else []
        return rules if rules and all(rule["health"] != "unknown" for rule in rules) else []

    found = until(evaluated, "the rules are evaluated")
    assert {rule["name"] for rule in found} == {rule["alert"] for rule in RULES}
    assert [rule for rule in found if rule["health"] != "ok"] == []
    assert [rule["name"] for rule in found if rule["state"] == "firing"] == []


@pytest.mark.once
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_rule_has_a_page_and_a_try(rule: dict[str, dict[str, str]]) -> None:
    """Its runbook exists, docs/observability.md names it, and promtool tries it."""
    page = rule["annotations"]["runbook_url"].rpartition("/")[2]
    assert (ROOT / "docs" / "runbooks" / page).is_file()
    assert f"| `{rule['alert']}` | {rule['labels']['severity']} |" in (ROOT / "docs" / "observability.md").read_text()
    tried = yaml.safe_load((MONITORING / "prometheus" / "rules.test.yaml").read_text())["tests"]
    cases = next(one["alert_rule_test"] for one in tried if one["name"] == rule["alert"])
    assert [bool(case["exp_alerts"]) for case in cases] == [False, True], "once quiet, once raised"


@pytest.mark.once
def test_rule_and_doctor_agree_when_a_backup_is_old() -> None:
    (rule,) = (rule for rule in RULES if rule["alert"] == "HubbubBackupOld")
    assert rule["expr"].endswith(f" > {backups.OLD_H} * 3600")


@pytest.mark.once
def test_backup_that_takes_its_time_is_not_old() -> None:
    """Add a day, the timer's delay and the time that a backup may take."""
    units = ROOT / "scripts" / "systemd"
    (hours,) = re.findall(r"^TimeoutStartSec=(\d+)h$", (units / "hubbub-backup.service").read_text(), re.MULTILINE)
    (late,) = re.findall(r"^RandomizedDelaySec=(\d+)min$", (units / "hubbub-backup.timer").read_text(), re.MULTILINE)
    made = yaml.safe_load_all((ROOT / "k8s" / "components" / "backup" / "cronjob.yaml").read_text())
    (cron,) = (one for one in made if one["kind"] == "CronJob")
    deadline = cron["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"]
    assert 24 + max(int(late) / 60 + int(hours), deadline / 3600) <= backups.OLD_H


@pytest.mark.once
def test_dashboards_are_made_from_the_panels() -> None:
    stale = [path.name for path, text in files() if path.read_text() != text]
    assert not stale, "run python -m monitoring.dashboards"


@pytest.mark.once
def test_dashboards_have_what_grafana_needs() -> None:
    found = dashboards()
    assert set(found) == {one.uid for one in panels.DASHBOARDS}
    for dashboard in found.values():
        numbers = [panel["id"] for panel in dashboard["panels"]]
        assert len(numbers) == len(set(numbers))
        places: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            covered = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            assert not covered & places, panel["title"]
            places |= covered
            assert place["x"] + place["w"] <= 24
            if panel["type"] != "row":
                assert panel["title"]
                assert panel["description"]
                assert panel["targets"]


@pytest.mark.once
def test_compose_mounts_what_there_is() -> None:
    services = yaml.safe_load((ROOT / "compose.observability.yaml").read_text())["services"]
    for service in services.values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (ROOT / Path(source)).is_dir(), source
    for name in ("alertmanager", "prometheus"):
        assert services[name]["entrypoint"] == ["/etc/hubbub/start"]
        assert f"./monitoring/{name}:/etc/hubbub:ro" in services[name]["volumes"]
        assert (MONITORING / name / "start").stat().st_mode & 0o111


@pytest.mark.once
def test_prometheus_of_compose_knows_wanted_replicas() -> None:
    compose, web = (
        yaml.safe_load((ROOT / name).read_text())["services"] for name in ("compose.observability.yaml", "compose.yaml")
    )
    prometheus = compose["prometheus"]
    assert prometheus["environment"]["WEB_REPLICAS"] == web["web"]["deploy"]["replicas"]
    # It is read only but for these.
    assert [one.partition(":")[0] for one in prometheus["tmpfs"]] == ["/tmp"]
    config = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())
    assert fnmatch("/tmp/replicas.yaml", config["rule_files"][1])
