"""From metrics to a room's message: Prometheus, Alertmanager and a webhook."""

import os
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml

from tests.conftest import Connect
from tests.monitoring.programs import MONITORING, Alertmanager, Prometheus, until
from tests.nginx.front import Front
from tests.support.api import with_token
from tests.support.chat_client import create_room, sign_up
from tests.support.ports import free_port
from tests.support.server import Server

pytestmark = pytest.mark.once


def all_rules() -> list[dict[str, str]]:
    rules: list[dict[str, str]] = yaml.safe_load((MONITORING / "prometheus" / "rules.yaml").read_text())["groups"][0]["rules"]
    return rules


def hurried_rules(folder: Path) -> Path:
    """Write our rules without their waits."""
    rules = yaml.safe_load((MONITORING / "prometheus" / "rules.yaml").read_text())
    for rule in rules["groups"][0]["rules"]:
        rule.pop("for", None)
    made = folder / "rules.yaml"
    made.write_text(yaml.safe_dump(rules))
    return made


async def test_alert_becomes_a_message_of_a_room(server: Server, connect: Connect, tmp_path: Path) -> None:
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada, private=True)
    async with with_token(server.base_url, ada) as http:
        hook = (await http.post(f"/api/rooms/{room}/hooks", json={"name": "Alerts"})).json()
    chat = await connect(ada)
    await chat.join(room)
    silent = f"127.0.0.1:{free_port()}"
    targets = [f"127.0.0.1:{server.port}", silent]
    with (
        Alertmanager(tmp_path, hook["url"]) as alertmanager,
        Prometheus(tmp_path, targets, f"127.0.0.1:{alertmanager.port}", hurried_rules(tmp_path)),
    ):
        message = await chat.expect("message", timeout=90)
        assert message["alias"] == "Alertmanager"
        title, text = message["text"].split("\n", 1)
        assert title == "🔥 HubbubReplicaDown (https://docs.example.org/runbooks/README.md)"
        assert text.startswith(f"A replica of web does not answer. {silent} does not answer /metrics.")
        log = (tmp_path / "prometheus-alertmanager" / "log").read_text()
        assert "level=error" not in log, log
        assert hook["token"] not in log


@pytest.mark.parametrize(("replicas", "missed"), [(2, True), (1, False)])
async def test_replica_that_is_no_target_is_missed(server: Server, tmp_path: Path, replicas: int, missed: bool) -> None:
    """Docker's DNS forgets a container that restarts in a loop; WEB_REPLICAS does not."""
    (rule,) = (one for one in all_rules() if one["alert"] == "HubbubReplicaMissing")
    with Prometheus(tmp_path, [f"127.0.0.1:{server.port}"], replicas=replicas) as prometheus:
        until(lambda: prometheus.query("avg_over_time(count(up == 1)[5m:15s])"), "its server is counted")
        (wanted,) = prometheus.query("hubbub:web_replicas:wanted")
        assert wanted["value"][1] == str(replicas)
        # Before the first scrape the count was empty.
        until(lambda: bool(prometheus.query(rule["expr"])) == missed, "the rule compares them")


def test_wrong_number_of_replicas_is_refused(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "PROMETHEUS": "true", "REPLICAS_DIRECTORY": str(tmp_path)}
    for number, code in (("2", 0), ("", 0), ("two", 2)):
        command = [MONITORING / "prometheus" / "start"]
        done = subprocess.run(
            command, env=env | {"WEB_REPLICAS": number}, capture_output=True, text=True, check=False, timeout=20
        )
        assert (done.returncode, "WEB_REPLICAS must be a whole number" in done.stderr) == (code, code == 2)


async def test_alertmanager_reaches_plain_http_through_nginx(server: Server, connect: Connect, tmp_path: Path) -> None:
    """Alertmanager uses nginx as a proxy to reach the webhook's public address.

    On one's own machine this address leads nowhere from inside a container.
    """
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada, private=True)
    async with with_token(server.base_url, ada) as http:
        token = (await http.post(f"/api/rooms/{room}/hooks", json={"name": "Alerts"})).json()["token"]
    chat = await connect(ada)
    await chat.join(room)
    address = f"http://127.0.0.1:{free_port()}/api/hooks/{token}"
    alert = {
        "labels": {"alertname": "HubbubDown", "severity": "critical"},
        "annotations": {"summary": "Gone.", "description": "All."},
    }
    (tmp_path / "nginx").mkdir()
    with Front(tmp_path / "nginx", [server.port], {}) as front, Alertmanager(tmp_path, address, front.url) as alertmanager:
        async with httpx.AsyncClient(timeout=10) as http:
            (await http.post(f"{alertmanager.url}/api/v2/alerts", json=[alert])).raise_for_status()
        message = await chat.expect("message", timeout=60)
        assert message["text"] == "🔥 HubbubDown\nGone. All."
        assert token not in front.log


def test_without_a_webhook_nothing_is_sent(tmp_path: Path) -> None:
    with Alertmanager(tmp_path, "") as alertmanager:
        loaded = httpx.get(f"{alertmanager.url}/api/v2/status", timeout=10).json()["config"]["original"]
    route = yaml.safe_load(loaded)["route"]
    assert [route["receiver"], *(one["receiver"] for one in route["routes"])] == ["nobody", "nobody"]
